import * as tf from '@tensorflow/tfjs';
import { type Mask, maskBlend } from '../../../src/edits/prompt-to-prompt/givenMask';
import { promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import { evaluation, MapLayer } from '../../attention/mapLayer';
import { toyTokenizer } from '../../attention/toyTokenizer';
import { useBackend } from '../../backend';

useBackend();

const grid = { height: 1, width: 4 };
const tokenizer = toyTokenizer(5);
const prompts = ['a cat', 'a dog'];

/** A mask of pictures whose sides are twice the latents': two rows. */
const mask: Mask = { width: 8, height: 2, data: Float32Array.from([1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0]) };

/** The source's latents 0, the target's 1: what is left of the target's at each place. */
const blended = (onLatents: (latents: tf.Tensor4D) => tf.Tensor4D): number[] =>
  tf.tidy(() => {
    const latents = tf.concat([tf.zeros([1, 1, 4, 1]), tf.ones([1, 1, 4, 1])]) as tf.Tensor4D;
    const after = onLatents(latents);
    expect([...after.dataSync().slice(0, 4)]).toEqual([0, 0, 0, 0]);
    return [...after.dataSync().slice(4)];
  });

test("a mask lets through its mean over each of the latents' places, from the first step on", () => {
  const before = tf.memory().numTensors;
  const step = evaluation({ prompts: 2, step: 0, latents: grid });
  expect(blended((latents) => maskBlend(mask).onLatents!(latents, step))).toEqual([1, 0.25, 0.5, 0]);
  expect(tf.memory().numTensors).toBe(before);
});

test("a mask that is not of the picture's size is refused", () => {
  const step = evaluation({ prompts: 2, step: 0, latents: grid });
  const odd = { width: 7, height: 2, data: new Float32Array(14) };
  expect(() => blended((latents) => maskBlend(odd).onLatents!(latents, step))).toThrow(
    "A mask of 7x2 does not cover latents of 4x1: give it at the picture's size.",
  );
  const short = { width: 4, height: 2, data: new Float32Array(7) };
  expect(() => blended((latents) => maskBlend(short).onLatents!(latents, step))).toThrow(
    'A mask of 4x2 has 7 values: give one for each pixel.',
  );
});

/** As the whole method has them, where the words look at the last place: their region is the last two. */
function together(maskMode: 'within' | 'union'): number[] {
  const layer = new MapLayer({ keys: 5 });
  const method = promptToPrompt({
    tokenizer,
    prompts,
    cross: 0,
    self: 0,
    blend: [{ source: 'cat', target: 'dog' }],
    blendThreshold: 0.9,
    mask,
    maskMode,
  });
  const now = evaluation({ prompts: 2, step: 5, latents: grid, guidance: false });
  method.begin!({ prompts: 2, steps: 10, latents: grid });
  const maps = [0.01, 0.01, 0.01, 0.9].map((p) => Array.from({ length: 5 }, (_, key) => (key === 2 ? p : (1 - p) / 4)));
  layer.attend([maps, maps], method, now, grid);
  const left = blended((latents) => method.onLatents!(latents, now));
  method.end!();
  return left;
}

test("an edit stays within both the mask and the words' region, or in either", () => {
  expect(together('within')).toEqual([0, 0, 0.5, 0]);
  expect(together('union')).toEqual([1, 0.25, 1, 1]);
});

test('without words a mask stands alone, whatever the mode, and needs a target', () => {
  const now = evaluation({ prompts: 2, step: 5, latents: grid, guidance: false });
  for (const maskMode of ['within', 'union'] as const) {
    const method = promptToPrompt({ tokenizer, prompts, mask, maskMode });
    expect(blended((latents) => method.onLatents!(latents, now))).toEqual([1, 0.25, 0.5, 0]);
  }
  expect(() => promptToPrompt({ tokenizer, prompts: ['a cat'], mask })).toThrow('need a target prompt');
});
