import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../../src/node/cli/program';
import { fileBytes } from '../../../src/node/fileSource';
import { readPng } from '../../../src/node/png';
import { SafetensorsFile } from '../../../src/weights/safetensors';
import { MODEL, useCommand, without } from './command';

jest.setTimeout(180_000);
const { p2p, work } = useCommand();

const QUICK = ['--model', MODEL, '--steps', '2', '--backend', 'wasm', '--threads', '1'];
const EDIT = ['--source', 'a cat riding a bicycle in a meadow', '--target', 'a cat riding a motorcycle in a meadow'];

describe('help', () => {
  test('names every command', async () => {
    const { code, stdout, stderr } = await p2p('--help');
    expect([code, stderr]).toEqual([0, '']);
    for (const name of COMMANDS.map(({ name }) => name)) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('of edit names every option, with its default', async () => {
    const { code, stdout } = await p2p('edit', '--help');
    expect(code).toBe(0);
    const options = [
      'source',
      'target',
      'model',
      'lora',
      'seed',
      'steps',
      'guidance',
      'cross',
      'cross-word',
      'self',
      'self-size',
      'context',
      'context-word',
      'weight',
      'blend',
      'blend-minus',
      'blend-threshold',
      'sampler',
      'eta',
      'karras',
      'edit',
      'alignment',
      'show-alignment',
      'no-compare',
      'height',
      'width',
      'negative',
      'backend',
      'out',
      'tensors',
      'from',
      'force',
      'quiet',
      'json',
    ];
    for (const option of options) expect(stdout).toMatch(new RegExp(`^  --${option}[ \\n]`, 'm'));
    for (const value of ['emoji-world', '8888', "the model's", '0.3'])
      expect(stdout.replace(/\s+/g, ' ')).toContain(`(default: ${value})`);
  });
});

describe('a call that cannot be meant ends with 2 and says why', () => {
  test.each([
    [['edits'], 'edit'],
    [['edit', '--stepz', '3'], '--stepz'],
    [['edit', ...EDIT, '--weight', '__proto__=2'], '--weight __proto__: No prompt has the word "__proto__".'],
    [['generate', '--prompt', 'a cat', '--eta', '0.5', '--sampler', 'dpm++'], '--eta'],
    [['generate', '--prompt', 'a cat', '--karras', '--sampler', 'ddim'], '--karras'],
    [['edit', ...EDIT, '--steps', '0'], '--steps'],
    [['edit', '--target', 'a dog'], '--source is missing'],
    [['edit', '--source', '  ', '--target', 'a dog'], '--source: Expected some text'],
    [
      ['edit', ...EDIT, '--weight', 'snowy=2'],
      '--weight snowy: No prompt has the word "snowy". "a cat riding a motorcycle in a meadow" has: a, cat, riding, motorcycle, in, meadow.',
    ],
    [['edit', ...EDIT, '--cross-word', 'bicycle=0.5'], '--cross-word bicycle'],
    [['edit', ...EDIT, '--blend', 'cat:dog'], '--blend cat:dog: No prompt has the word "dog".'],
    [
      ['edit', ...EDIT, '--blend', 'motorcycle'],
      '--blend motorcycle, the same as motorcycle:motorcycle: No prompt has',
    ],
    [['edit', ...EDIT, '--blend-minus', 'cat'], '--blend'],
    [['generate', '--prompt', 'a cat', '--height', '65', ...QUICK], '--height 65'],
    [
      ['generate', '--prompt', 'a cat', ...without(QUICK, '--steps'), '--steps', '1000'],
      '--steps 1000: 1000 steps are too many',
    ],
    [['generate', '--prompt', 'a cat', ...QUICK, '--steps', '2'], "'--steps <n>' is given 2 times"],
    [['generate', '--prompt', 'a cat', '--backend', 'abacus'], '--backend: Invalid option: expected one of "node-gpu"'],
    [['generate', '--prompt', 'a cat', '--lora', 'nowhere'], 'The LoRA cannot be read: There is no file'],
    [
      ['generate', '--prompt', 'a cat', '--variant', 'fp16', '--backend', 'wasm'],
      'no weights of the variant fp16: leave the variant out',
    ],
    [['edit', ...EDIT, '--weight', 'car=2', '--weight', 'car=3'], '"car" has a value already'],
    [['pull', 'nowhere'], '"nowhere" is not the name of a model on the hub'],
    [['native', 'install', '--wheel', 'nowhere.whl'], '--wheel: There is no wheel nowhere.whl'],
    [['generate', '--prompt', 'a cat', '--cross', '0.5'], '--cross'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await p2p(...args);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, '']);
    expect(readdirSync(work())).toEqual([]);
  });
});

describe('a run that fails ends with 1 and says why', () => {
  test.each([
    [['generate', '--prompt', 'a cat', '--model', 'nowhere.safetensors'], 'nowhere.safetensors'],
    [['info', 'nowhere'], 'nowhere'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await p2p(...args);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([1, '']);
    expect(readdirSync(work())).toEqual([]);
  });
});

test('info tells what a model is', async () => {
  const said = await p2p('info');
  expect(said.code).toBe(0);
  expect(said.stdout).toMatch(/mid_block\.attentions\.0\.transformer_blocks\.0\.attn2 +cross +mid/);
  const { networks, cost, sites } = JSON.parse((await p2p('info', '--json')).stdout);
  const names = networks.map((one: { name: string; class: string }) => [one.name, one.class]);
  expect(names).toEqual([
    ['text_encoder', 'CLIPTextModel'],
    ['unet', 'UNet2DConditionModel'],
    ['vae', 'AutoencoderKL'],
  ]);
  for (const { parameters, dtypes } of networks) expect([parameters > 0, dtypes.length]).toEqual([true, 1]);
  expect(cost.weightBytes).toBe(
    4 * networks.reduce((sum: number, { parameters }: { parameters: number }) => sum + parameters, 0),
  );
  expect(cost.flopsPerStep).toBeGreaterThan(1e6);
  expect(sites.length).toBeGreaterThan(2);
});

test('info tells of LoRAs too, and whether they fit', async () => {
  const lora = join(__dirname, '../../fixtures/lora/kohya.safetensors');
  const { code, stdout } = await p2p('info', MODEL, '--lora', `${lora}:0.5`, '--json');
  expect(code).toBe(0);
  const { lora: added, networks } = JSON.parse(stdout);
  expect(added).toEqual([{ file: lora, scale: 0.5 }]);
  expect(networks.map(({ file }: { file: string }) => file.includes('kohya.safetensors'))).toEqual([true, true, false]);
  expect((await p2p('info', MODEL, '--lora', lora)).stdout).toContain(`with the LoRA ${lora} at scale 1\n`);
  const misfit = await p2p('info', '--lora', lora);
  expect([misfit.code, misfit.stderr]).toEqual([
    2,
    expect.stringMatching(/kohya\.safetensors: .* do not fit text_model/),
  ]);
});

test('the model that comes along makes a picture, when no other is named', async () => {
  const { code, stderr } = await p2p(
    'generate',
    '--prompt',
    'a cat',
    '--steps',
    '1',
    '--backend',
    'wasm',
    '--threads',
    '1',
    '--out',
    'embedded',
    '--quiet',
  );
  expect([code, stderr]).toEqual([0, '']);
  expect(readdirSync(work('embedded')).sort()).toEqual(['generate.json', 'picture.png']);
});

test('edit writes its pictures, its figure and what is needed to do it again', async () => {
  const first = await p2p(
    'edit',
    ...EDIT,
    '--target',
    'a cat riding a bicycle in a meadow at night',
    '--seed',
    '3',
    ...QUICK,
    '--json',
  );
  expect([first.code, first.stderr]).toEqual([0, '']);
  const report = JSON.parse(first.stdout);
  const names = [
    'edit-1.png',
    'edit-2.png',
    'edit.json',
    'figure.png',
    'no-injection-1.png',
    'no-injection-2.png',
    'source.png',
  ];
  expect(report.files).toEqual(names.map((name) => work('out/edit-1', name)));
  expect(readdirSync(work('out/edit-1')).sort()).toEqual(names);
  expect(report.backend).toMatchObject({ name: 'wasm', threads: 1 });
  expect(Object.keys(report.versions)).toEqual(['prompt-to-prompt-tfjs', '@tensorflow/tfjs', 'node']);
  expect(report.edits).toEqual(['replace', 'refine']);
  const { load, steps, compare, decode } = report.seconds;
  expect([steps.length, compare.length]).toEqual([2, 2]);
  for (const seconds of [load, decode, ...steps, ...compare]) expect(seconds).toBeGreaterThan(0);
  expect(report.peakMemoryBytes).toBeGreaterThan(50e6);

  const [source, edit, fresh] = await Promise.all(
    ['source', 'edit-1', 'no-injection-1'].map((name) => readPng(work('out/edit-1', `${name}.png`))),
  );
  expect([source.width, source.height]).toEqual([64, 64]);
  expect(edit).not.toEqual(source);
  expect(edit).not.toEqual(fresh);
  const figure = await readPng(work('out/edit-1/figure.png'));
  expect(figure.width).toBeGreaterThan(3 * 256);

  const again = await p2p('edit', '--from', 'out/edit-1/edit.json', '--out', 'again', '--threads', '1');
  expect([again.code, again.stderr]).toEqual([0, '']);
  expect(again.stdout).toContain('Wrote again: edit-1.png');
  for (const name of names)
    expect(readFileSync(work('again', name)).equals(readFileSync(work('out/edit-1', name)))).toBe(true);

  const refused = await p2p('edit', '--from', 'again/edit.json', '--out', 'again');
  expect([refused.code, refused.stderr]).toEqual([
    2,
    'error: --out again is not empty: choose another folder, or replace what is in it with --force.\n',
  ]);
  writeFileSync(work('again/notes.txt'), 'mine');
  const forced = await p2p(
    'edit',
    '--from',
    'again/edit.json',
    '--seed',
    '4',
    '--target',
    EDIT[3],
    '--out',
    'again',
    '--threads',
    '1',
    '--force',
    '--quiet',
  );
  expect([forced.code, forced.stdout, forced.stderr]).toEqual([0, '', '']);
  expect(readdirSync(work('again')).sort()).toEqual([
    'edit-1.png',
    'edit.json',
    'figure.png',
    'no-injection-1.png',
    'notes.txt',
    'source.png',
  ]);
  expect(JSON.parse(readFileSync(work('again/edit.json'), 'utf8'))).toMatchObject({
    seed: 4,
    target: [EDIT[3]],
    steps: 2,
  });
});

test('the tensors of a run are what PyTorch would store', async () => {
  const { code } = await p2p(
    'edit',
    ...EDIT,
    ...QUICK,
    '--out',
    'stored',
    '--tensors',
    'stored.safetensors',
    '--height',
    '64',
    '--width',
    '80',
    '--quiet',
  );
  expect(code).toBe(0);
  const file = await SafetensorsFile.open(await fileBytes(work('stored.safetensors')));
  const shapes = Object.fromEntries([...file.tensors].map(([name, { shape, dtype }]) => [name, [dtype, ...shape]]));
  expect(shapes).toEqual({
    noise: ['F32', 1, 4, 16, 20],
    context: ['F32', 4, 32, 16],
    latents: ['F32', 2, 4, 16, 20],
    image: ['F32', 2, 3, 64, 80],
  });

  // Channels first: the red of the picture's first pixels, then those of its next row.
  const image = await file.read('image');
  const { data } = await readPng(work('stored/source.png'));
  const drawn = (value: number): number => Math.round((value / 2 + 0.5) * 255);
  for (const [row, column, channel] of [
    [0, 0, 0],
    [0, 5, 0],
    [3, 7, 1],
    [63, 79, 2],
  ]) {
    expect(data[(row * 80 + column) * 4 + channel]).toBe(drawn(image[channel * 64 * 80 + row * 80 + column]));
  }
});

test('attend draws a map for every word and lists the sites', async () => {
  const { code, stdout } = await p2p(
    'attend',
    '--prompt',
    'a cat, on a beach',
    ...QUICK,
    '--out',
    'attended',
    '--json',
  );
  expect(code).toBe(0);
  expect(readdirSync(work('attended')).sort()).toEqual([
    'attend.json',
    'attend.png',
    'picture.png',
    'word-01-a.png',
    'word-02-cat.png',
    'word-03-on.png',
    'word-04-a2.png',
    'word-05-beach.png',
  ]);
  const { words, sites } = JSON.parse(stdout);
  expect(words).toEqual(['a', 'cat', 'on', 'a#2', 'beach']);
  expect(sites.filter(({ averaged }: { averaged: boolean }) => averaged).length).toBeGreaterThan(0);
  for (const { kind, grid, averaged } of sites)
    if (averaged) expect([kind, grid]).toEqual(['cross', { height: 16, width: 16 }]);
});

test('a prompt that is cut off is a warning that shows what was lost', async () => {
  const { code, stderr, stdout } = await p2p(
    'generate',
    '--prompt',
    `a cat ${'on a street '.repeat(12)}in a meadow`,
    ...QUICK,
    '--out',
    'long',
    '--json',
  );
  expect(code).toBe(0);
  expect(stderr).toMatch(/^warning: .*in a meadow/);
  expect(JSON.parse(stdout).warnings).toHaveLength(1);
});

test("edit says which kind each edit is, which settings were the model's, and how the tokens align", async () => {
  const prompts = [
    '--source',
    'a cat in a meadow',
    '--target',
    'a dog in a meadow',
    '--target',
    'a cat in a red meadow',
  ];
  const how = ['--steps', '1', '--cross', '0.5', '--backend', 'wasm', '--no-compare'];
  const said = await p2p('edit', ...prompts, ...how, '--show-alignment', '--out', 'said');
  expect([said.code, said.stderr]).toEqual([0, '']);
  expect(readdirSync(work('said')).sort()).toEqual([
    'edit-1.png',
    'edit-2.png',
    'edit.json',
    'figure.png',
    'source.png',
  ]);
  expect(said.stdout).toMatch(/, 1 step in [\d.]+ s, decoded/);
  expect(said.stdout).toContain('edit-1: words swapped (replace): a dog in a meadow');
  expect(said.stdout).toContain('edit-2: words added or left out (refine): a cat in a red meadow');
  expect(said.stdout).toMatch(/^ +2 +dog +2 cat$/m);
  expect(said.stdout).toMatch(/^ +5 +red +itself: it is new$/m);

  const own = JSON.parse(readFileSync('weights/emoji-world/p2p.json', 'utf8'));
  const { guidance, sampler, steps, cross, shares, fromModel } = JSON.parse(
    readFileSync(work('said/edit.json'), 'utf8'),
  );
  expect({ guidance, sampler, steps, cross }).toEqual({
    guidance: own.guidance,
    sampler: own.sampler,
    steps: 1,
    cross: 0.5,
  });
  const { self, context } = own.shares.replace;
  expect(shares.replace).toEqual({ self, context });
  expect(fromModel).toEqual(
    expect.arrayContaining(['guidance', 'sampler', 'shares.replace.self', 'shares.refine.self']),
  );
  expect(fromModel).not.toContain('steps');
  expect(said.stdout).toContain(
    `The model's own: guidance ${own.guidance}, projectAbove ${own.projectAbove}, sampler ${own.sampler}, shares.replace.self`,
  );

  const forced = await p2p('edit', ...prompts, ...how, '--edit', 'refine', '--json', '--out', 'forced');
  expect(JSON.parse(forced.stdout).edits).toEqual(['refine', 'refine']);
});
