/** npm run own-pictures: draws the examples of editing one's own picture in the README and docs/pictures.md. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import type { Panel } from '../src/image/layout';
import { fromPictures, toPictures } from '../src/image/picture';
import { type InvertOptions, invert } from '../src/invert';
import { drawFigure } from '../src/node/figure';
import { loadPipeline } from '../src/node/index';
import { readPicture } from '../src/node/readPicture';

/** Relative to the working directory that scripts/run.js starts this in. */
const images = join(process.cwd(), 'docs/images');
const COLUMN = 192;
/** What house.png shows: a rendering that was not in the training data. */
const SOURCE = 'a red house on a beach';
const BLUE = 'a blue house on a beach';

async function main(): Promise<void> {
  const pipe = await loadPipeline('emoji-world');
  const { picture } = await readPicture(join(images, 'house.png'));

  /** The reconstruction, then the edits. */
  async function edited(targets: readonly string[], options: InvertOptions = {}) {
    const prompt = options.prompt ?? SOURCE;
    const latents = tf.tidy(() => pipe.toLatents(fromPictures([picture])));
    const inversion = await invert(pipe, latents, { prompt, ...options });
    const prompts = [prompt, ...targets];
    const edit = promptToPrompt({ tokenizer: pipe.tokenizer, prompts, shares: pipe.defaults.shares });
    const made = await pipe.generate(prompts, inversion.options(edit));
    const pictures = await toPictures(made.images);
    inversion.dispose();
    tf.dispose([latents, made.images, made.latents, made.noise, made.context]);
    return pictures;
  }

  const draw = (file: string, panels: readonly Panel[]): void =>
    writeFileSync(join(images, file), drawFigure([{ panels }], COLUMN));
  const panel = (shown: typeof picture, ...notes: string[]): Panel => ({ tiles: [{ picture: shown }], notes });

  const [again, blue, sunset] = await edited([BLUE, `${SOURCE} at sunset`]);
  draw('own-picture.png', [
    panel(picture, 'the picture'),
    panel(again, 'its reconstruction'),
    panel(blue, BLUE),
    panel(sunset, `${SOURCE} at sunset`),
  ]);

  const wrongPrompt = await edited(['a dog in a meadow'], { prompt: 'a cat in a meadow' });
  const guided = await edited([BLUE], { guidance: 12, projectAbove: 100 });
  const drifted = await edited([BLUE], { method: 'ddim', guidance: 7.5 });
  draw('what-goes-wrong.png', [
    panel(blue, 'as it should be: a blue house in place of the red one'),
    panel(wrongPrompt[1], 'a prompt that does not fit: "a cat in a meadow", made a dog'),
    panel(guided[1], 'too much guidance: 12, not projected'),
    panel(drifted[0], 'nothing put back (ddim, guidance 7.5): no longer the house that went in'),
  ]);
  pipe.dispose();
}

void main();
