import * as tf from '@tensorflow/tfjs';
import { enlarge, fromPictures, toPictures } from '../../src/image/picture';
import { useBackend } from '../backend';

useBackend();

test('pictures are rounded and clipped to 8 bits, row by row', async () => {
  const images = tf.tensor4d([-1, 0, 1, -3, 3, 0.5, 0.25, -0.25, 1 / 255, 0, 0, 0], [2, 1, 2, 3]);
  const before = tf.memory().numTensors;
  const pictures = await toPictures(images);
  expect(tf.memory().numTensors).toBe(before);
  expect(pictures).toEqual([
    { width: 2, height: 1, data: Uint8ClampedArray.from([0, 128, 255, 255, 0, 255, 191, 255]) },
    { width: 2, height: 1, data: Uint8ClampedArray.from([159, 96, 128, 255, 128, 128, 128, 255]) },
  ]);
  images.dispose();
});

test('a batch of no pictures, or of several sizes, is refused', () => {
  const square = (side: number) => ({ width: side, height: side, data: new Uint8ClampedArray(4 * side * side) });
  expect(() => fromPictures([])).toThrow('A batch needs at least one picture.');
  expect(() => fromPictures([square(1), square(2)])).toThrow('must have one size, not 1x1 and 2x2');
});

test('an enlarged picture has square pixels', () => {
  const picture = { width: 2, height: 1, data: Uint8ClampedArray.from([1, 2, 3, 255, 4, 5, 6, 255]) };
  const { width, height, data } = enlarge(picture, 2);
  expect([width, height]).toEqual([4, 2]);
  const row = [1, 2, 3, 255, 1, 2, 3, 255, 4, 5, 6, 255, 4, 5, 6, 255];
  expect([...data]).toEqual([...row, ...row]);
});
