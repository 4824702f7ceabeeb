import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readPng } from '../../../src/node/png';
import { MODEL, useCommand } from './command';

jest.setTimeout(180_000);
const { p2p, work } = useCommand();

const HOW = ['--backend', 'wasm', '--threads', '1', '--quiet'];
const SETTINGS = [
  '--model',
  MODEL,
  '--seed',
  '3',
  '--steps',
  '5',
  '--sampler',
  'dpm++',
  '--project-above',
  '3',
  '--negative',
  'a dog',
  '--width',
  '80',
  ...HOW,
];
const SOURCE = 'a cat riding a bicycle';
const TARGET = ['--target', 'a cat riding a car'];

beforeAll(async () => {
  const { code, stderr } = await p2p(
    'generate',
    '--prompt',
    SOURCE,
    ...SETTINGS,
    '--out',
    'source',
    '--record',
    'cat.recording',
    '--record-exact',
  );
  expect([code, stderr]).toEqual([0, '']);
});

const edit = (...args: string[]) => {
  const recording = args.includes('--recording') ? [] : ['--recording', 'cat.recording'];
  return p2p('edit', ...recording, ...TARGET, ...HOW, ...args);
};

test('an edit from a recording takes its settings from there, and makes the pictures of a full run', async () => {
  const from = await edit('--out', 'from');
  const full = await p2p('edit', '--source', SOURCE, ...TARGET, ...SETTINGS, '--out', 'full');
  expect([from.code, from.stderr, full.code]).toEqual([0, '', 0]);
  expect(readdirSync(work('from')).sort()).toEqual(readdirSync(work('full')).sort());
  for (const name of ['source.png', 'edit-1.png', 'no-injection-1.png'])
    expect(await readPng(work('from', name))).toEqual(await readPng(work('full', name)));
  expect(await readPng(work('from/source.png'))).toEqual(await readPng(work('source/picture.png')));

  expect(JSON.parse(readFileSync(work('from/edit.json'), 'utf8'))).toMatchObject({
    source: SOURCE,
    model: MODEL,
    recording: work('cat.recording'),
    seed: 3,
    steps: 5,
    sampler: 'dpm++',
    projectAbove: 3,
    negative: 'a dog',
    height: 64,
    width: 80,
  });
  const again = await p2p('edit', '--from', 'from/edit.json', '--out', 'again', ...HOW);
  expect([again.code, again.stderr]).toEqual([0, '']);
  expect(readFileSync(work('again/figure.png')).equals(readFileSync(work('from/figure.png')))).toBe(true);
});

test('an edit records as much self-attention as it takes itself', async () => {
  const { code } = await p2p(
    'edit',
    '--source',
    SOURCE,
    ...TARGET,
    '--model',
    MODEL,
    '--steps',
    '5',
    '--self',
    '0.8',
    '--out',
    'edited',
    '--record',
    'edited/cat.recording',
    ...HOW,
  );
  expect(code).toBe(0);
  expect(readdirSync(work('edited'))).toContain('cat.recording');
  const again = await p2p(
    'edit',
    '--recording',
    'edited/cat.recording',
    ...TARGET,
    '--self',
    '0.8',
    '--out',
    'edited-again',
    ...HOW,
  );
  expect([again.code, again.stderr]).toEqual([0, '']);
});

test.each([
  [['--seed', '1'], 'cat.recording was recorded with seed 3, asked for 1.'],
  [['--source', 'a dog'], `recorded with prompt "${SOURCE}", asked for "a dog"`],
  [
    ['--self', '0.8'],
    "--self 0.8: cat.recording has the source's self-attention of the first 2 of 5 steps, and 4 are needed. Record more with --record-self.",
  ],
  [['--self', '0.2-0.6'], '--self 0.2-0.6'],
  [['--recording', 'nowhere'], '--recording: There is no file nowhere. Check its name'],
  [['--recording', 'source'], '--recording: source is a folder, not a file'],
  [['--image', 'cat.png'], '--image: with --recording the picture is the recorded one'],
  [['--record', 'new.recording'], '--record: with --recording the source is not computed again'],
])('%j is refused, and nothing is written', async (args, message) => {
  const before = readdirSync(work());
  const { code, stderr } = await edit(...args);
  expect(stderr.replaceAll(`${work()}/`, '')).toContain(message);
  expect(code).toBe(2);
  expect(readdirSync(work())).toEqual(before);
});

test("what is no recording, or another model's, ends with 1", async () => {
  writeFileSync(work('cut.recording'), readFileSync(work('cat.recording')).subarray(0, 10_000));
  const cut = await edit('--recording', 'cut.recording');
  expect([cut.code, cut.stderr]).toEqual([1, expect.stringContaining('cut.recording is not a whole safetensors file')]);
  const other = await edit('--model', 'emoji-world');
  expect([other.code, other.stderr]).toEqual([
    1,
    expect.stringMatching(
      /cat\.recording was recorded with another model \(.*checkpoint\): it differs from the one loaded in text_encoder, unet/,
    ),
  ]);
});

test('a recording that is there is kept, unless it may be replaced', async () => {
  const make = (...args: string[]) =>
    p2p(
      'generate',
      '--prompt',
      'a dog',
      '--model',
      MODEL,
      '--steps',
      '1',
      ...HOW,
      '--record',
      'kept.recording',
      ...args,
    );
  writeFileSync(work('kept.recording'), 'mine');
  const refused = await make();
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--record kept.recording exists')]);
  expect((await make('--record-self', '2', '--force')).stderr).toContain('Expected a fraction from 0 to 1');
  expect(readFileSync(work('kept.recording'), 'utf8')).toBe('mine');
  expect((await make('--force')).code).toBe(0);
  expect(readFileSync(work('kept.recording')).length).toBeGreaterThan(1000);
});
