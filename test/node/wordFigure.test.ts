import * as tf from '@tensorflow/tfjs';
import type { AttentionStore } from '../../src/attention/store';
import { wordMaps } from '../../src/image/wordMaps';
import { openCheckpoint } from '../../src/node/checkpoint';
import { wordFigure } from '../../src/node/wordFigure';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { useBackend } from '../backend';

useBackend();

let tokenizer: CLIPTokenizer;
beforeAll(async () => {
  tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
});

/**
 * Maps of two places, left and right, that give each token its position in the prompt, and on the right as much less.
 */
const store = {
  maps: () =>
    tf.tidy(() => tf.reshape(tf.stack([tf.range(0, 32), tf.neg(tf.range(0, 32))]), [1, 2, 32]) as tf.Tensor3D),
} as Partial<AttentionStore> as AttentionStore;
const picture = { width: 64, height: 64, data: new Uint8ClampedArray(64 * 64 * 4).fill(128) };

test("a word's map is the attention to all its tokens, without its sign, and leaves no tensor behind", async () => {
  const before = tf.memory().numTensors;
  const maps = await wordMaps(store, 0, [
    { start: 3, end: 4 },
    { start: 5, end: 8 },
  ]);
  expect(maps).toEqual([
    { width: 2, height: 1, values: Float32Array.from([3, 3]) },
    { width: 2, height: 1, values: Float32Array.from([18, 18]) },
  ]);
  expect(tf.memory().numTensors).toBe(before);
});

test('the words of a prompt are drawn beside its picture, five panels a row', async () => {
  const sizeOf = async (prompt: string): Promise<[number, number]> => {
    const png = await wordFigure(picture, tokenizer.tokenize(prompt), store);
    return [png.readUInt32BE(16), png.readUInt32BE(20)];
  };
  const [two, four, five] = [await sizeOf('a cat'), await sizeOf('a cat, at night'), await sizeOf('a cat at night in')];
  expect(four[0] - two[0]).toBeGreaterThan(2 * 256);
  expect(four[1]).toBe(two[1]);
  expect(five[0]).toBe(four[0]);
  expect(five[1] - four[1]).toBeGreaterThan(256);
});
