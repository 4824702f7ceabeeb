import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { UsageError } from '../../../src/node/cli/errors';
import { addSettings, settingsFrom } from '../../../src/node/cli/options';
import type { EditSettings } from '../../../src/node/cli/settings';
import { editSettings, generateSettings } from '../../../src/node/cli/settings';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'p2p-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The settings of a command line. */
async function parse(...args: string[]): Promise<EditSettings> {
  const command = addSettings(new Command(), editSettings)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return settingsFrom(editSettings, command.parse(args, { from: 'user' }).opts());
}

const file = (settings: unknown): string => {
  const path = join(folder, 'edit.json');
  writeFileSync(path, typeof settings === 'string' ? settings : JSON.stringify(settings));
  return path;
};

const PROMPTS = ['--source', 'a cat', '--target', 'a dog'];

test('what is not given has its default', async () => {
  expect(await parse(...PROMPTS)).toEqual({
    source: 'a cat',
    target: ['a dog'],
    model: 'emoji-world',
    lora: [],
    seed: 8888,
    fromModel: [],
    alignment: 'corrected',
    crossWord: {},
    contextWord: {},
    weight: {},
    blend: [],
    blendMinus: [],
    blendThreshold: 0.3,
  });
});

test('every option is read', async () => {
  expect(
    await parse(
      ...PROMPTS,
      '--target',
      'a fluffy dog',
      '--cross',
      '0.2-0.8',
      '--cross-word',
      'dog=0.5',
      '--cross-word',
      'fluffy dog=.1-1',
      '--self',
      '0',
      '--self-size',
      '32',
      '--context',
      '0-0.5',
      '--context-word',
      'dog=0',
      '--weight',
      'fluffy=-2',
      '--weight',
      'dog#2=1.5',
      '--blend',
      'cat:dog',
      '--blend',
      'a',
      '--blend-minus',
      'a:a fluffy',
      '--blend-threshold',
      '0.2',
      '--model',
      'some/model',
      '--lora',
      'cat.safetensors:0.7',
      '--lora',
      'night.safetensors',
      '--seed',
      '7',
      '--steps',
      '10',
      '--guidance',
      '1',
      '--sampler',
      'dpm++',
      '--height',
      '96',
      '--width',
      '64',
      '--negative',
      'blurry',
      '--backend',
      'wasm',
      '--eta',
      '0.5',
      '--karras',
      '--edit',
      'refine',
      '--alignment',
      'authors',
    ),
  ).toEqual({
    source: 'a cat',
    target: ['a dog', 'a fluffy dog'],
    cross: [0.2, 0.8],
    crossWord: { dog: 0.5, 'fluffy dog': [0.1, 1] },
    self: 0,
    selfSize: 32,
    context: [0, 0.5],
    contextWord: { dog: 0 },
    weight: { fluffy: -2, 'dog#2': 1.5 },
    blend: [
      ['cat', 'dog'],
      ['a', 'a'],
    ],
    blendMinus: [['a', 'a fluffy']],
    blendThreshold: 0.2,
    model: 'some/model',
    lora: [
      { file: resolve('cat.safetensors'), scale: 0.7 },
      { file: resolve('night.safetensors'), scale: 1 },
    ],
    seed: 7,
    steps: 10,
    guidance: 1,
    sampler: 'dpm++',
    height: 96,
    width: 64,
    negative: 'blurry',
    backend: 'wasm',
    eta: 0.5,
    karras: true,
    edit: 'refine',
    alignment: 'authors',
    fromModel: [],
  });
});

test('a file gives what the options beside it do not', async () => {
  const from = file({ source: 'a pig', target: ['a fox'], seed: 1, cross: [0.1, 0.9], weight: { fox: 3 } });
  expect(await parse('--from', from, '--seed', '2', '--target', 'a panda')).toMatchObject({
    source: 'a pig',
    target: ['a panda'],
    seed: 2,
    cross: [0.1, 0.9],
    weight: { fox: 3 },
  });
});

test('settings that were written are read again as they were', async () => {
  const settings = await parse(...PROMPTS, '--cross', '0.2-0.8', '--weight', 'dog=-2', '--blend', 'cat:dog');
  expect(await parse('--from', file(settings))).toEqual(settings);
});

test.each([
  [['--target', 'a dog'], '--source is missing'],
  [['--source', 'a cat'], '--target is missing'],
  [[...PROMPTS, '--steps', '0'], '--steps'],
  [[...PROMPTS, '--steps', '2.5'], '--steps'],
  [[...PROMPTS, '--cross', '1.5'], '--cross'],
  [[...PROMPTS, '--cross', '0.8-0.2'], '--cross: Expected a fraction from 0 to 1, or a range that rises: 0.2-0.8'],
  [[...PROMPTS, '--self', '0.8-0.2'], '--self'],
  [[...PROMPTS, '--cross-word', 'dog=0.8-0.2'], '--cross-word dog: Expected'],
  [[...PROMPTS, '--edit', 'swap'], '--edit'],
  [[...PROMPTS, '--cross-word', 'dog=2'], '--cross-word dog'],
  [[...PROMPTS, '--sampler', 'none'], '--sampler'],
  [[...PROMPTS, '--blend', ':dog'], '--blend'],
])('%j is refused: %s', async (args, message) => {
  await expect(parse(...args)).rejects.toThrow(UsageError);
  await expect(parse(...args)).rejects.toThrow(message);
});

test.each([
  [['--steps', 'many'], /--steps.*Expected a number/],
  [['--weight', 'fluffy'], /--weight.*WORD=F/],
  [['--weight', 'fluffy=very'], /--weight.*Expected a number/],
  [['--cross', ''], /--cross.*Expected a number/],
  [['--blend', 'a:b:c'], /--blend.*SOURCEWORD:TARGETWORD/],
  [['--stepz', '3'], /--stepz/],
])('%j is refused as it is read', async (args, message) => {
  await expect(parse(...PROMPTS, ...args)).rejects.toThrow(message);
});

test.each([
  [{ steps: 'ten' }, 'steps'],
  [{ cross: [0.8, 0.2] }, 'cross'],
  [{ weight: { dog: 'much' } }, 'weight.dog'],
  [{ target: 'a dog' }, 'target'],
  [{ target: [] }, 'target'],
  [{ stepz: 3 }, 'there is no setting stepz; the settings are image'],
  [{ lora: [{ file: 'cat.safetensors', scal: 1 }] }, 'there is no setting lora.0.scal.'],
])("a file with %j is refused by its name and the field's", async (settings, field) => {
  const from = file({ source: 'a cat', target: ['a dog'], ...settings });
  await expect(parse('--from', from)).rejects.toThrow(from);
  await expect(parse('--from', from)).rejects.toThrow(field);
});

test('a file that is not UTF-8 is refused', async () => {
  const from = file('');
  writeFileSync(from, Uint8Array.of(0x22, 0xff, 0x22));
  await expect(parse('--from', from)).rejects.toThrow(`--from ${from} is not JSON: it is not UTF-8 text.`);
});

test.each([
  ['{', 'is not JSON'],
  ['[]', 'expected an object'],
  ['null', 'expected an object'],
])('a file that holds %s is refused', async (text, message) => {
  await expect(parse('--from', file(text))).rejects.toThrow(message);
});

test('a file may begin with a byte order mark', async () => {
  expect(await parse('--from', file('\uFEFF{"source": "a cat", "target": ["a dog"]}'))).toMatchObject({
    source: 'a cat',
  });
});

test.each(['__proto__', 'constructor', 'toString'])('the word %s is a word as any other', async (word) => {
  const { weight, crossWord } = await parse(...PROMPTS, '--weight', `${word}=2`, '--cross-word', `${word}=0.5`);
  expect([Object.entries(weight), Object.entries(crossWord)]).toEqual([[[word, 2]], [[word, 0.5]]]);
  const read = await parse('--from', file(`{"source": "a", "target": ["b"], "weight": {"${word}": 3}}`));
  expect(Object.entries(read.weight)).toEqual([[word, 3]]);
});

describe('seeds are those that PyTorch takes', () => {
  test.each([
    ['0', 0],
    ['-0', 0],
    ['+7', 7],
    ['-1', -1],
    ['9007199254740991', 2 ** 53 - 1],
    ['9007199254740993', 2n ** 53n + 1n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['-9223372036854775808', -(2n ** 63n)],
  ])('%s', async (text, seed) => {
    expect((await parse(...PROMPTS, '--seed', text)).seed).toBe(seed);
    expect((await parse('--from', file({ source: 'a', target: ['b'], seed: text }))).seed).toBe(seed);
  });

  test.each(['18446744073709551616', '-9223372036854775809', '1.5', '1e3', '0x10', '9'.repeat(500)])(
    '%s is refused',
    async (text) => {
      await expect(parse(...PROMPTS, '--seed', text)).rejects.toThrow(/--seed.*[Ww]hole number/);
      const from = file({ source: 'a', target: ['b'], seed: text });
      await expect(parse('--from', from)).rejects.toThrow(/seed: Expected a whole number/);
    },
  );

  test('a number in a file beyond what JSON keeps is refused', async () => {
    const from = file('{"source": "a", "target": ["b"], "seed": 18446744073709551615}');
    await expect(parse('--from', from)).rejects.toThrow(/seed: Expected a whole number .*as text/);
  });
});

describe("what was the model's own in an earlier run", () => {
  const earlier = {
    source: 'a cat',
    target: ['a dog'],
    model: 'emoji-world',
    steps: 20,
    guidance: 3,
    cross: 0.5,
    shares: { replace: { self: 0.6, context: 1 } },
    fromModel: ['steps', 'guidance', 'shares.replace.self'],
  };

  test('is taken again', async () => {
    expect(await parse('--from', file(earlier))).toMatchObject(earlier);
  });

  test('is no longer so where it is given', async () => {
    expect(await parse('--from', file(earlier), '--steps', '20')).toMatchObject({
      steps: 20,
      fromModel: ['guidance', 'shares.replace.self'],
    });
  });

  test("is not another model's", async () => {
    const { steps, guidance, cross, shares, fromModel } = await parse('--from', file(earlier), '--model', 'other');
    expect({ steps, guidance, cross, shares, fromModel }).toEqual({
      steps: undefined,
      guidance: undefined,
      cross: 0.5,
      shares: { replace: { context: 1 } },
      fromModel: [],
    });
  });
});

test('a file that is not there is refused', async () => {
  await expect(parse('--from', join(folder, 'absent.json'))).rejects.toThrow('absent.json');
});

test('the commands for one prompt know no edits', async () => {
  expect(await settingsFrom(generateSettings, { prompt: 'a cat' })).toMatchObject({
    prompt: 'a cat',
    seed: 8888,
  });
  expect(Object.keys(generateSettings.shape)).not.toContain('cross');
});
