import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    seed: 8888,
    steps: 50,
    guidance: 7.5,
    sampler: 'ddim',
    negative: '',
    cross: 0.8,
    crossWord: {},
    self: 0.4,
    context: 0,
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
    seed: 7,
    steps: 10,
    guidance: 1,
    sampler: 'dpm++',
    height: 96,
    width: 64,
    negative: 'blurry',
    backend: 'wasm',
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
    steps: 50,
  });
});

test('settings that were written are read again as they were', async () => {
  const settings = await parse(...PROMPTS, '--cross', '0.2-0.8', '--weight', 'dog=-2', '--blend', 'cat:dog');
  expect(await parse('--from', file(settings))).toEqual(settings);
});

test.each([
  [['--target', 'a dog'], '--source is missing'],
  [['--source', 'a cat'], '--target is missing'],
  [['--source', '  ', '--target', 'a dog'], '--source: Expected some text'],
  [[...PROMPTS, '--steps', '0'], '--steps'],
  [[...PROMPTS, '--steps', '2.5'], '--steps'],
  [[...PROMPTS, '--seed', '-1'], '--seed'],
  [[...PROMPTS, '--cross', '1.5'], '--cross'],
  [[...PROMPTS, '--self', '0.8-0.2'], '--self'],
  [[...PROMPTS, '--cross-word', 'dog=2'], '--cross-word dog'],
  [[...PROMPTS, '--sampler', 'euler'], '--sampler'],
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
  [{ stepz: 3 }, 'stepz'],
])("a file with %j is refused by its name and the field's", async (settings, field) => {
  const from = file({ source: 'a cat', target: ['a dog'], ...settings });
  await expect(parse('--from', from)).rejects.toThrow(from);
  await expect(parse('--from', from)).rejects.toThrow(field);
});

test.each([
  ['{', 'is not JSON'],
  ['[]', 'expected an object'],
  ['null', 'expected an object'],
])('a file that holds %s is refused', async (text, message) => {
  await expect(parse('--from', file(text))).rejects.toThrow(message);
});

test('a file that is not there is refused', async () => {
  await expect(parse('--from', join(folder, 'absent.json'))).rejects.toThrow('absent.json');
});

test('the commands for one prompt know no edits', async () => {
  expect(await settingsFrom(generateSettings, { prompt: 'a cat' })).toMatchObject({
    prompt: 'a cat',
    seed: 8888,
    steps: 50,
  });
  expect(Object.keys(generateSettings.shape)).not.toContain('cross');
});
