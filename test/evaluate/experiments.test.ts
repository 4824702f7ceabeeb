import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CONTROLS } from '../../evaluate/controls';
import type { Outcome } from '../../evaluate/experiment';
import { experiments } from '../../evaluate/experiments';
import { curveOf, figuresOf, isMet } from '../../evaluate/figures';
import { readHeldOut } from '../../evaluate/heldOut';
import { Judge } from '../../evaluate/judge';
import { drawCurve } from '../../evaluate/plot';
import { inProcesses } from '../../evaluate/pool';
import { table } from '../../evaluate/report';
import { Studio } from '../../evaluate/studio';
import { writeBetweenMarks } from '../../scripts/marks';
import { saveSafetensors } from '../../src/node/saveSafetensors';
import { TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';

useBackend();

const root = join(__dirname, '../..');
const folder = join(root, 'evaluate');
const temporary = mkdtempSync(join(tmpdir(), 'evaluate-'));
afterAll(() => rmSync(temporary, { recursive: true }));

/** A judge that knows nothing: what is tested is that it is asked. */
async function savedJudge(): Promise<string> {
  const judge = new Judge(readHeldOut(folder).vocabulary);
  const file = join(temporary, 'judge.safetensors');
  const noise = new TorchGenerator(1);
  await saveSafetensors(
    file,
    [...judge.parameters.values()].map(({ name, shape }) => ({ name, dtype: 'F32', shape, data: noise.randn(shape) })),
  );
  return file;
}

test('each experiment measures what its figures are of, and leaves nothing in memory', async () => {
  const settings = { steps: 2, sampler: 'dpm++', guidance: 5, cross: 0.8, blendThreshold: 0.3 } as const;
  const studio = await Studio.open(
    { model: 'test/fixtures/checkpoint', judge: await savedJudge(), folder, prompts: 'tuning' },
    settings,
    { name: process.env.P2P_BACKEND || 'wasm', threads: 1 },
  );
  const before = tf.memory().numTensors;
  const outcomes: Outcome[] = [];
  for (const experiment of experiments) {
    const outcome = await experiment.run(studio, 0);
    expect(tf.memory().numTensors).toBe(before);
    for (const { values } of outcome.samples) expect(values.filter(Number.isFinite)).toEqual(values);
    if (experiment.sheet) expect(outcome.panels.length).toBeGreaterThan(0);
    outcomes.push(outcome);
  }
  studio.dispose();

  const samples = outcomes.flatMap((outcome) => outcome.samples);
  const figures = figuresOf(samples);
  const shares = figures.filter(({ unit }) => unit === '%');
  expect(shares.filter(({ value, low, high }) => value < low || value > high)).toEqual([]);
  // Of a blend there may be nothing to measure: weights drawn at random may look everywhere.
  expect(new Set(figures.map(({ part }) => part).filter((part) => part !== 'Local blend'))).toEqual(
    new Set(['Pictures', 'Attention', 'Word swaps', 'Added phrases', 'Re-weighting']),
  );
  expect(table(figures).split('\n')).toHaveLength(2 + figures.length);
  expect(drawCurve(curveOf(samples), CONTROLS.swap).subarray(1, 4).toString()).toBe('PNG');
}, 240_000);

test('a table has the aim beside each figure, and goes between the marks of a file', async () => {
  const estimate = { low: 0.8, high: 0.9, n: 40, part: 'A', what: 'B' };
  const good = { ...estimate, value: 0.85, unit: '%', aim: { least: 0.8 } } as const;
  const bad = { ...estimate, value: 0.85, unit: 'x', aim: { least: 3 }, detail: 'more' } as const;
  expect([isMet(good), isMet(bad), isMet({ ...good, aim: { most: 0.8 } }), isMet({ ...good, aim: undefined })]).toEqual(
    [true, false, false, undefined],
  );
  expect(table([good, bad]).split('\n').slice(2)).toEqual([
    '| A | B | 85.0 % | 80.0 – 90.0 | 40 | ≥ 80 % ✓ |',
    '|  | B | 0.85× (more) | 0.80 – 0.90 | 40 | ≥ 3× ✗ |',
  ]);
  const file = join(temporary, 'card.md');
  writeFileSync(file, 'before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n');
  await writeBetweenMarks(file, 'figures', 'new');
  expect(readFileSync(file, 'utf8')).toBe('before\n<!-- figures -->\n\nnew\n\n<!-- /figures -->\nafter\n');
  writeFileSync(file, 'nowhere');
  await expect(writeBetweenMarks(file, 'figures', 'new')).rejects.toThrow(
    /card\.md has no place for the figures: put the lines <!-- figures -->/,
  );
});

describe('processes', () => {
  const worker = (body: string): string => {
    const file = join(temporary, 'worker.js');
    writeFileSync(file, `process.on('message', (message) => { ${body} });`);
    return file;
  };
  const setup = {
    places: { model: '', judge: '', folder: '', prompts: 'tuning' },
    settings: { steps: 1, sampler: 'ddim', guidance: 1, cross: 1, blendThreshold: 0.3 },
    backend: { name: 'wasm' },
  } as const;
  const tasks = Array.from({ length: 7 }, (_, index) => ({ name: 'x', index }));

  test('do every task once', async () => {
    const done: number[][] = [];
    const script = worker(
      'process.send(message.places ? { name: "wasm", threads: 1 } : { samples: [{ figure: message.name, group: message.index, values: [process.pid] }], panels: [] })',
    );
    const backend = await inProcesses(2, script, setup, tasks, ({ index }, { samples: [{ group, values }] }) => {
      done.push([index, group, values[0]]);
    });
    expect(backend).toEqual({ name: 'wasm', threads: 1 });
    expect(done.map(([index]) => index).sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(done.every(([index, group]) => index === group)).toBe(true);
    expect(new Set(done.map(([, , pid]) => pid)).size).toBe(2);
  });

  test('say what went wrong in one of them', async () => {
    await expect(
      inProcesses(2, worker('process.send({ error: "no judge" })'), setup, tasks, () => undefined),
    ).rejects.toThrow('no judge');
    await expect(inProcesses(1, worker('process.exit(3)'), setup, tasks, () => undefined)).rejects.toThrow(
      'A process of the evaluation ended (3).',
    );
  });
});
