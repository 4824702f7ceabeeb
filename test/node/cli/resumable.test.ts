import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { Resumable } from '../../../src/node/cli/resumable';
import { useBackend } from '../../backend';

useBackend();
const folder = mkdtempSync(join(tmpdir(), 'resumable-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('embeddings that were found are gone on from, unless their shape is not that of the run', async () => {
  const [to, settings] = [join(folder, 'null.recording'), { prompt: 'a cat' }];
  const before = tf.memory().numTensors;
  const stopped = await Resumable.beside(to, settings, [3, 4, 5]);
  const embedding = tf.fill<tf.Rank.R3>([1, 4, 5], 0.5);
  for (const step of [0, 1]) await stopped.keep({ task: 'optimising', step, steps: 3, embedding });
  embedding.dispose();

  for (const [shape, needed] of [
    [[1, 4, 5], '[1 or fewer, 4, 5]'],
    [[3, 6, 5], '[3 or fewer, 6, 5]'],
    [[3, 4, 6], '[3 or fewer, 4, 6]'],
  ] as const)
    await expect(Resumable.beside(to, settings, shape)).rejects.toThrow(
      `${to}.part has embeddings [2, 4, 5], and this run needs ${needed}: `,
    );
  expect(existsSync(`${to}.part`)).toBe(true);
  expect((await Resumable.beside(to, { prompt: 'a dog' }, [3, 4, 6])).found).toBeUndefined();

  const resumed = await Resumable.beside(to, settings, [3, 4, 5]);
  expect(resumed.found!.shape).toEqual([2, 4, 5]);
  expect(new Set(await resumed.found!.data())).toEqual(new Set([0.5]));
  resumed.end();
  stopped.end();
  expect(existsSync(`${to}.part`)).toBe(false);
  expect(tf.memory().numTensors).toBe(before);
});
