import { createHash } from 'node:crypto';
import { longestSelf } from '../../edits/prompt-to-prompt/shares';
import { checkRecordable } from '../../inversion/names';
import { psnr } from '../../metrics/similarity';
import { fingerprints } from '../../recording/fingerprint';
import { encodePng } from '../png';
import { naming } from './errors';
import type { Manner } from './options';
import { checkPictureSettings, invertPicture, openPicture } from './picture';
import { Resumable } from './resumable';
import { Run } from './run';
import { type InvertSettings, invertSettings } from './settings';
import { disposeOf } from './tensors';

/** Takes a picture to noise, and records what edits of it need. */
export async function invert(settings: InvertSettings, manner: Manner & { readonly to: string }): Promise<void> {
  checkPictureSettings(settings, { ...manner });
  const { prompt, inversion: method = 'direct', inversionIterations: iterations, image } = settings;
  naming(`--inversion ${method}`, () => checkRecordable(method));
  await Run.perform('invert', settings, manner, async (run) => {
    const { checkpoint, defaults } = await run.open();
    const pipeline = await run.load(checkpoint);
    const picture = await openPicture(image, settings, pipeline, (message) => run.warn(message));
    const { steps, guidance, negative, sampler } = run.settings;
    const resumable =
      method === 'null-text'
        ? await Resumable.beside(
            manner.to,
            {
              picture: createHash('sha256').update(picture.fitted.data).digest('hex'),
              networks: await fingerprints(pipeline, sampler),
              prompt,
              steps,
              guidance,
              negative,
              iterations,
            },
            [steps, pipeline.tokenizer.maxLength, pipeline.textEncoder.config.hidden_size],
          )
        : undefined;
    const inversion = await invertPicture(run, pipeline, picture, prompt, settings, {
      found: resumable?.found,
      onProgress: (progress) => resumable?.keep(progress),
    });
    const made = await run.generate(pipeline, 'Recording', [prompt], {
      ...inversion.options(),
      record: inversion.recordOptions(run.recordOptions(longestSelf(defaults.shares))!),
    });
    const quality = psnr(picture.fitted, made.pictures[0]);
    await run.write('original.png', encodePng(picture.fitted));
    await run.write('source.png', encodePng(made.pictures[0]));
    await run.writeSettings('invert.json', invertSettings);
    await run.writeTensors(made, inversion);
    resumable?.end();
    inversion.dispose();
    disposeOf(made);
    pipeline.dispose();
    return { psnr: quality, text: `Reconstructed at ${quality.toFixed(1)} dB (PSNR): source.png beside original.png.` };
  });
}
