/** The features of Plug-and-Play (Tumanyan et al. 2022, arXiv 2211.12572). */
import { type AttentionController, replaceRows, takeRow } from 'prompt-to-prompt-tfjs';

/**
 * The targets take the source's features at the output of a resnet, and with them where things are: each row from the
 * source's of its role.
 *
 * @param resnet its checkpoint's path
 * @param until the share of the steps in which they do
 */
export function resnetInjection(resnet = 'up_blocks.1.resnets.1', until = 0.8): AttentionController {
  return {
    name: 'resnetInjection',
    wants: () => [],
    wantsFeatures: ({ site, step, steps }) => site.kind === 'resnet' && site.path === resnet && step < until * steps,
    onFeatures(x, { rows }) {
      const injected = rows.flatMap(({ prompt, role }, row) => {
        const source = rows.findIndex((of) => of.prompt === 0 && of.role === role);
        return prompt > 0 && source >= 0 ? [[row, takeRow(x, source)] as const] : [];
      });
      return replaceRows(x, new Map(injected));
    },
  };
}
