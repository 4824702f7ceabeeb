import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { readHeldOut } from '../../evaluate/heldOut';
import { GRID, Judge } from '../../evaluate/judge';
import { fileBytes } from '../../src/node/fileSource';
import { TorchGenerator } from '../../src/sampler/noise';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { useBackend } from '../backend';

useBackend();

const { vocabulary } = readHeldOut(join(__dirname, '../../evaluate'));

/** As test/fixtures/judge.py makes it. */
function randomJudge(): Judge {
  const judge = new Judge(vocabulary);
  [...judge.parameters.keys()].sort().forEach((name, i) => {
    const parameter = judge.parameters.get(name)!;
    const fanIn =
      parameter.shape.length > 1 ? parameter.shape.slice(1).reduce((product, size) => product * size, 1) : 2;
    parameter.assign(new TorchGenerator(i + 1).randn(parameter.shape).map((value) => value / Math.sqrt(fanIn / 2)));
  });
  return judge;
}

const picture = (): tf.Tensor4D =>
  tf.tidy(() =>
    tf.transpose(tf.tensor4d(new TorchGenerator(0).randn([1, 3, 128, 128]), [1, 3, 128, 128]), [0, 2, 3, 1]),
  );

test('the judge says what training/judge.py says', async () => {
  const expected = await SafetensorsFile.open(await fileBytes(join(__dirname, '../fixtures/judge.safetensors')));
  const [judge, input] = [randomJudge(), picture()];
  const logits = judge.forward(input);
  for (const [name, said] of Object.entries(logits)) {
    const nchw = name === 'pixels' ? tf.transpose(said, [0, 3, 1, 2]) : said;
    const wanted = await expected.read(name);
    const scale = Math.max(...wanted.map(Math.abs));
    const far = Math.max(...nchw.dataSync().map((value, i) => Math.abs(value - wanted[i]))) / scale;
    expect({ name, numbers: nchw.size, near: far < 1e-5 }).toEqual({ name, numbers: wanted.length, near: true });
  }
  tf.dispose([input]);
  judge.dispose();
});

test('a verdict names the most likely of each, and leaves nothing in memory', async () => {
  const [judge, input] = [randomJudge(), picture()];
  const before = tf.memory().numTensors;
  const [verdict, ...more] = await judge.look(input);
  expect(more).toEqual([]);
  expect(tf.memory().numTensors).toBe(before);
  const { time, things, pixels } = judge.forward(input);
  expect(verdict.time).toBe(vocabulary.times[(await tf.argMax(time, -1).data())[0]]);
  expect(verdict.things).toEqual(new Set(vocabulary.nouns.filter((_, i) => things.dataSync()[i] > 0)));
  expect(verdict.pixels).toHaveLength(GRID ** 2);
  const background = tf.equal(tf.argMax(pixels, -1), vocabulary.nouns.length + 3).dataSync();
  expect(verdict.pixels.map((pixel) => Number(pixel === 'background'))).toEqual([...background]);
  const chance = tf
    .sum(tf.slice(tf.softmax(pixels, -1), [0, 0, 0, 0], [1, GRID, GRID, vocabulary.nouns.length + 2]), -1)
    .dataSync();
  expect(verdict.occupied).toEqual(Array.from(chance, (share) => share > 0.5));
  judge.dispose();
});
