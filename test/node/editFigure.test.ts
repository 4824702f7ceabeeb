import * as tf from '@tensorflow/tfjs';
import type { AttentionStore } from '../../src/attention/store';
import { openCheckpoint } from '../../src/node/checkpoint';
import { editFigure, editPanels } from '../../src/node/editFigure';
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

test('the marked words are mapped, and articles only where nothing else is', async () => {
  const captions = async (...prompts: string[]): Promise<(string[] | undefined)[]> => {
    const { maps } = await editPanels(
      prompts.map(() => picture),
      prompts.map((prompt) => tokenizer.tokenize(prompt)),
      store,
      {},
    );
    return maps.map((panel) => panel?.tiles.map(({ caption = [] }) => caption.map(({ text }) => text).join('')));
  };
  expect(await captions('a cat riding a bicycle', 'a cat riding an airplane')).toEqual([['bicycle'], ['airplane']]);
  expect(await captions('a cat', 'the cat')).toEqual([['a'], ['the']]);
  expect(await captions('a cat', 'a cat at night')).toEqual([undefined, ['at', 'night']]);
});

test('a figure has a row for the edits, one for what they would be without, and one for the maps, where there are any', async () => {
  const heightOf = async (prompts: string[], fresh: number): Promise<number> => {
    const figure = await editFigure(
      prompts.map(() => picture),
      prompts.map((prompt) => tokenizer.tokenize(prompt)),
      store,
      { fresh: Array(fresh).fill(picture), notes: ['Seed 1'] },
    );
    return figure.readUInt32BE(20);
  };
  const rows = [
    await heightOf(['a cat', 'a cat'], 0),
    await heightOf(['a cat', 'a cat'], 1),
    await heightOf(['a cat', 'a dog'], 1),
  ];
  expect(rows[0]).toBeGreaterThan(256);
  expect(rows[1] - rows[0]).toBeGreaterThan(256);
  expect(rows[2] - rows[1]).toBeGreaterThan(256);
});

test('a figure needs a picture for each prompt', async () => {
  await expect(editFigure([], [], store)).rejects.toThrow('there are 0 pictures and 0 prompts');
  await expect(editFigure([picture], ['a cat', 'a dog'].map(tokenizer.tokenize, tokenizer), store)).rejects.toThrow(
    'there are 1 pictures and 2 prompts',
  );
});

test('many edits stand in rows, and the figure stays of a size that can be drawn', async () => {
  const sizeOf = async (edits: number, side: number): Promise<[number, number]> => {
    const pictures = Array(edits + 1).fill({ width: side, height: side, data: new Uint8ClampedArray(4 * side * side) });
    const prompts = pictures.map((_, i) => tokenizer.tokenize(i === 0 ? 'a cat' : 'a dog'));
    const figure = await editFigure(pictures, prompts, store, { fresh: pictures.slice(1) });
    return [figure.readUInt32BE(16), figure.readUInt32BE(20)];
  };
  const [five, fiveHigh] = await sizeOf(5, 64);
  const [six, sixHigh] = await sizeOf(6, 64);
  expect([six, sixHigh > 1.8 * fiveHigh]).toEqual([five, true]);
  const [width, height] = await sizeOf(60, 256);
  expect(width / height).toBeGreaterThan(0.5);
  expect(width / height).toBeLessThan(2);
  expect(width * height).toBeLessThan(100e6);
});

test('a word that the prompt has before is shown by its number', async () => {
  const prompts = ['a cat and a dog', 'a cat and a cat'].map((prompt) => tokenizer.tokenize(prompt));
  const { maps } = await editPanels([picture, picture], prompts, store, {});
  expect(maps.map((panel) => panel?.tiles.map(({ caption = [] }) => caption[0].text))).toEqual([['dog'], ['cat#2']]);
});
