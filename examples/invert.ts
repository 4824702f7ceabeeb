/** Edits a picture of your own: returns its reconstruction, then the edit. */
import * as tf from '@tensorflow/tfjs';
import type { StableDiffusionPipeline } from 'prompt-to-prompt-tfjs';
import { fitPicture, fromPictures, invert, type Picture, place, promptToPrompt } from 'prompt-to-prompt-tfjs';

/** @param picture such as `(await readPicture('photo.jpg')).picture` @returns [2, height, width, 3], -1 to 1 */
export async function editPicture(
  pipe: StableDiffusionPipeline,
  picture: Picture,
  [prompt, target]: readonly [string, string],
): Promise<tf.Tensor4D> {
  const fitted = fitPicture(picture, place(picture, pipe.defaultSize));
  const latents = tf.tidy(() => pipe.toLatents(fromPictures([fitted])));
  const inversion = await invert(pipe, latents, { prompt });
  const edit = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: [prompt, target], shares: pipe.defaults.shares });
  const { images, latents: last, noise, context } = await pipe.generate([prompt, target], inversion.options(edit));
  for (const one of [inversion, latents, last, noise, context]) one.dispose();
  return images;
}
