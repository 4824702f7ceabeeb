/** Feature injection from Plug-and-Play (Tumanyan et al. 2022, arXiv 2211.12572). */
import { type AttentionController, replaceRows, takeRow } from 'prompt-to-prompt-tfjs';

/**
 * The targets take the source's features at the output of a resnet, and with them the layout. Each row takes those of
 * the source's row with the same role.
 *
 * @param resnet its checkpoint path
 * @param until the fraction of the steps after which it stops
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
