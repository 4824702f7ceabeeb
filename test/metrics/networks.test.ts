/** The networks that compare pictures, against transformers' and the lpips package's. */
import * as tf from '@tensorflow/tfjs';
import { LPIPS } from '../../src/metrics/lpips';
import { readMetricNetwork } from '../../src/metrics/read';
import { useBackend } from '../backend';
import { metrics, openClip, openMetric, openStructure } from '../parity/metrics';
import { testComparisons } from '../parity/testComparisons';
import { drawn } from './drawn';

useBackend();

testComparisons(metrics);

test('the structure of pictures is compared as the benchmark prepares them', async () => {
  const { network, file } = await openStructure();
  const [expected] = await file.read('of_bytes');
  const before = tf.memory().numTensors;
  const distance = await network.distance(drawn(3, 50, 50), drawn(4, 50, 50));
  expect(tf.memory().numTensors).toBe(before);
  expect(Math.abs(distance / expected! - 1)).toBeLessThan(1e-4);
  network.dispose();
});

test('a picture is scored against a text as torchmetrics and the processor on Pillow do', async () => {
  const { network, file } = await openClip();
  const [[expected], ids] = [await file.read('score'), await file.read('ids')];
  const tokenizer = { maxLength: ids.length, tokenize: () => ({ text: '', ids: [...ids], pieces: [] }) };
  const before = tf.memory().numTensors;
  const score = await network.score(drawn(3, 40, 61), 'a text', tokenizer as never);
  expect(tf.memory().numTensors).toBe(before);
  expect(Math.abs(score - Math.max(0, expected!))).toBeLessThan(0.02);
  network.dispose();
});

test('what a mask hides does not count', async () => {
  const lpips = await readMetricNetwork(new LPIPS(), await openMetric('lpips'));
  const [a, b] = [drawn(1, 64, 71), drawn(2, 64, 71)];
  const nothing = { width: 71, height: 64, data: new Float32Array(71 * 64) };
  expect(await lpips.distance(a, b, nothing)).toBeCloseTo(0, 6);
  expect(await lpips.distance(a, b)).toBeGreaterThan(0.01);
  lpips.dispose();
});

test('a file of other tensors is refused by name', async () => {
  const file = await openMetric('vit');
  await expect(readMetricNetwork(new LPIPS(), file)).rejects.toThrow(/vit.safetensors has none of the tensors/);
});
