import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { upTo } from '../../evaluate/edits';
import type { Outcome } from '../../evaluate/experiment';
import { experiments } from '../../evaluate/experiments';
import { curveOf, figuresOf, isMet } from '../../evaluate/figures';
import { readHeldOut } from '../../evaluate/heldOut';
import { Judge } from '../../evaluate/judge';
import { AUTOENCODER, GENERATED, MEASURES, pictures, TRUTH } from '../../evaluate/pictures';
import { pictureTable } from '../../evaluate/pictureTable';
import { drawCurve } from '../../evaluate/plot';
import { inProcesses } from '../../evaluate/pool';
import { table } from '../../evaluate/report';
import { Studio, settingsOf } from '../../evaluate/studio';
import { writeBetweenMarks } from '../../scripts/marks';
import { AUTHORS_DEFAULTS } from '../../src/defaults';
import { INVERSIONS } from '../../src/inversion/names';
import { openCheckpoint } from '../../src/node/checkpoint';
import { saveSafetensors } from '../../src/node/saveSafetensors';
import { TorchGenerator } from '../../src/sampler/noise';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { useBackend } from '../backend';

useBackend();
beforeAll(() => {
  jest.spyOn(console, 'warn').mockImplementation(); // The small checkpoint knows few of the prompts' words.
});

const root = join(__dirname, '../..');
const folder = join(root, 'evaluate');
const STEPS = 2;
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

/** The prompts for tuning, without those that the small checkpoint, which has few words, cuts off. */
async function fittingPrompts(): Promise<string> {
  const fitting = join(temporary, 'prompts');
  cpSync(folder, fitting, { recursive: true, filter: (path) => !/\.[jt]s$/.test(path) });
  const file = join(fitting, 'tuning.json');
  const tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  const texts = (prompt: unknown) => JSON.stringify(prompt).match(/"[^"]*"/g) ?? [];
  const fits = (prompt: unknown) => texts(prompt).every((text) => tokenizer.tokenize(text).lost === '');
  const { vocabulary, ...prompts } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  const kept = (list: object): object =>
    Array.isArray(list)
      ? list.filter(fits)
      : Object.fromEntries(Object.entries(list).map(([kind, of]) => [kind, kept(of)]));
  const all = Object.entries(prompts).map(([name, list]) => [name, kept(list)]);
  writeFileSync(file, JSON.stringify({ vocabulary, ...Object.fromEntries(all) }));
  return fitting;
}

/** A small model of random weights in place of the embedded one, whose own pace is two steps. */
async function openStudio(): Promise<Studio> {
  const model = join(temporary, 'model');
  cpSync('test/fixtures/checkpoint', model, { recursive: true });
  writeFileSync(join(model, 'p2p.json'), JSON.stringify({ steps: STEPS, sampler: 'ddim' }));
  const settings = settingsOf(AUTHORS_DEFAULTS, { steps: STEPS, sampler: 'dpm++', guidance: 5 });
  return Studio.open(
    { model, judge: await savedJudge(), folder: await fittingPrompts(), prompts: 'tuning' },
    settings,
    { name: process.env.P2P_BACKEND || 'wasm', threads: 1 },
  );
}

test('each experiment measures what its figures are of, and leaves nothing in memory', async () => {
  const studio = await openStudio();
  const { settings } = studio;
  const before = tf.memory().numTensors;
  const outcomes: Outcome[] = [];
  for (const experiment of experiments.filter(({ runs }) => runs(studio.heldOut) > 0)) {
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
  expect(drawCurve(curveOf(samples), settings.shares.replace).subarray(1, 4).toString()).toBe('PNG');
}, 240_000);

test('pictures are inverted by every method, edited, and compared with their true edits', async () => {
  const studio = await openStudio();
  const before = tf.memory().numTensors;
  const { samples, panels } = await pictures.run(studio, 0);
  expect(tf.memory().numTensors).toBe(before);
  expect(panels).toHaveLength(2 + INVERSIONS.length);
  const valueOf = (figure: string): number | undefined => samples.find((one) => one.figure === figure)?.values[0];
  // Put back after each step, the source is what the autoencoder makes of it.
  expect(valueOf('direct.reconstruction')).toBeCloseTo(valueOf(`${AUTOENCODER}.reconstruction`)!, 2);
  expect(valueOf('direct.rows')).toBe(STEPS + 3 * STEPS);
  expect(valueOf('h-edit.rows')).toBe(STEPS + 6 * STEPS);
  // A judge that knows nothing may see things everywhere, and nothing beside them.
  const measured = MEASURES.filter((measure) => measure !== 'beside');
  for (const name of INVERSIONS)
    expect(measured.filter((measure) => !Number.isFinite(valueOf(`${name}.${measure}`)))).toEqual([]);

  const lines = pictureTable(samples).split('\n');
  expect(lines.slice(2).map((line) => line.split(' | ')[0].slice(2))).toEqual([
    AUTOENCODER,
    TRUTH,
    GENERATED,
    ...INVERSIONS,
  ]);
  expect(lines.map((line) => line.split('|').length)).toEqual(lines.map(() => MEASURES.length + 4));
  studio.dispose();
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

test('what is asked for takes the place of what suits the model, for all kinds of edits', () => {
  const settings = settingsOf(AUTHORS_DEFAULTS, { steps: 3, self: 0.1 });
  expect(settings).toMatchObject({ steps: 3, sampler: 'ddim', guidance: 7.5, blendThreshold: 0.3 });
  for (const shares of Object.values(settings.shares)) expect(shares).toEqual({ cross: 0.8, self: 0.1, context: 0 });
});

test('shares grow together, up to the whole run', () => {
  const usual = { cross: 0.8, self: [0, 0.4], context: 1 } as const;
  expect(upTo(0.4, usual)).toEqual({ cross: 0.4, self: 0.2, context: 0.5 });
  expect(upTo(1, usual)).toEqual({ cross: 1, self: 0.5, context: 1 });
});

describe('processes', () => {
  const worker = (body: string): string => {
    const file = join(temporary, 'worker.js');
    writeFileSync(file, `process.on('message', (message) => { ${body} });`);
    return file;
  };
  const setup = {
    places: { model: '', judge: '', folder: '', prompts: 'tuning' },
    settings: settingsOf(AUTHORS_DEFAULTS),
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
