import * as tf from '@tensorflow/tfjs';
import { EDITS, edit, judge } from '../../evaluate/defaults';
import type { Picture } from '../../src/image/picture';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { useBackend } from '../backend';

useBackend();

/** Ten by ten grey pixels of a level, the first few of them white. */
function grey(level: number, white = 0): Picture {
  const pixels = Array.from({ length: 100 }, (_, i) => (i < white ? 255 : level));
  return { width: 10, height: 10, data: Uint8ClampedArray.from(pixels.flatMap((value) => [value, value, value, 255])) };
}

test('an edit is good if it is nearer to its source than the fresh picture, and hardly more burnt out than either', () => {
  const source = grey(100);
  expect(judge({ source, edited: grey(110), fresh: grey(90) }).good).toBe(false);
  expect(judge({ source, edited: grey(110), fresh: grey(80) })).toEqual({
    edited: 10,
    fresh: 20,
    burnt: 0,
    good: true,
  });
  expect(judge({ source, edited: grey(100, 2), fresh: grey(80) })).toMatchObject({ burnt: 0.02, good: true });
  expect(judge({ source, edited: grey(100, 3), fresh: grey(80) }).good).toBe(false);
  expect(judge({ source, edited: grey(100, 3), fresh: grey(80, 2) })).toMatchObject({ good: true });
});

test('there are twelve edits, and each leaves nothing in memory', async () => {
  expect(new Set(EDITS.map(([, target]) => target)).size).toBe(12);
  const pipeline = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
  const before = tf.memory().numTensors;
  const { source, edited, fresh } = await edit(pipeline, ...EDITS[0], { steps: 2, sampler: 'dpm++' });
  expect(tf.memory().numTensors).toBe(before);
  expect([edited.width, fresh.width]).toEqual([source.width, source.width]);
  expect(edited.data).not.toEqual(fresh.data);
  pipeline.dispose();
});
