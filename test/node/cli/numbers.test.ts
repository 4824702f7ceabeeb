import type { Command, Option } from 'commander';
import { settingsFrom } from '../../../src/node/cli/options';
import { COMMANDS, program } from '../../../src/node/cli/program';
import {
  attendSettings,
  editSettings,
  generateSettings,
  invertSettings,
  openSettings,
} from '../../../src/node/cli/settings';

/** Options that take numbers, what goes before the number, and numbers that they take and that they do not. */
const OPTIONS: Record<string, { before?: string; good: string[]; bad: string[] }> = {
  '--seed': { good: ['0', '-1', '18446744073709551615'], bad: ['1.5', '18446744073709551616'] },
  '--steps': { good: ['1', '1000'], bad: ['0', '-0', '-1', '1.5', '1001'] },
  '--guidance': { good: ['7.5', '-0', '-1', '1e-3', '1000'], bad: ['1e30', '-1001'] },
  '--project-above': { good: ['0', '3.5', '100'], bad: ['-0.5', '100.5'] },
  '--eta': { good: ['0', '1', '.5'], bad: ['-0.1', '1.5'] },
  '--height': { good: ['64', '16384'], bad: ['0', '-0', '-64', '1.5', '100000'] },
  '--width': { good: ['64', '16384'], bad: ['0', '-0', '-64', '1.5', '100000'] },
  '--threads': { good: ['1', '8', '1024'], bad: ['0', '-0', '-1', '1.5', '1025'] },
  '--memory': { good: ['6GB', '800 MB', '.5GiB'], bad: ['6', '0GB', '-1GB', '1.2.3GB', '6TB', `${'9'.repeat(400)}GB`] },
  '--cross': { good: ['0', '-0', '1', '0.2-0.8'], bad: ['1.5', '-0.1', '0.8-0.2', '0.2-', '-', '0.2-NaN'] },
  '--cross-word': { before: 'dog=', good: ['0', '0.2-0.8'], bad: ['1.5', '-0.1', '0.8-0.2'] },
  '--self': { good: ['0', '1', '0.2-0.8'], bad: ['1.5', '-0.1', '0.8-0.2'] },
  '--self-size': { good: ['1', '32'], bad: ['0', '-1', '1.5', '1e9'] },
  '--context': { good: ['0', '1', '0.2-0.8'], bad: ['1.5', '-0.1', '0.8-0.2'] },
  '--context-word': { before: 'dog=', good: ['0', '0.2-0.8'], bad: ['1.5', '-0.1', '0.8-0.2'] },
  '--weight': { before: 'dog=', good: ['2', '-2', '-0', '0.25'], bad: ['1e39', '-1001'] },
  '--blend-threshold': { good: ['0', '0.99'], bad: ['1', '-0.1'] },
  '--lora': { before: 'cat.safetensors:', good: ['0', '1', '-0.5'], bad: ['1e39', '-1001'] },
  '--port': { good: ['0', '8080', '65535'], bad: ['-1', '1.5', '65536'] },
  '--inversion-iterations': { good: ['1', '10'], bad: ['0', '-1', '1.5', '1001'] },
  '--mask-feather': { good: ['0', '-0', '2.5'], bad: ['-1', '100000'] },
  '--limit': { good: ['1', '700'], bad: ['0', '-1', '1.5'] },
  '--category': { good: ['0', '9'], bad: ['-1', '10', '1.5'] },
  '--record-self': { good: ['0', '1', '0.5'], bad: ['1.5', '-0.1'] },
  '--record-self-size': { good: ['1', '32'], bad: ['0', '-1', '1.5'] },
};
const NO_NUMBERS = [
  '',
  ' ',
  'NaN',
  'Infinity',
  '-Infinity',
  '1e999',
  '0x10',
  '0b1',
  ' 5',
  '5 ',
  '1,5',
  '1_000',
  '٣',
  'five',
];
/** The others, of which none takes a number. */
const TEXTS = /<(rule|how|method|mode|name=dir|text|source:target|name|model|kind|file|dir|version|address|folder)>/;

/** The options of all commands that take a value, each once. */
const options = COMMANDS.flatMap(({ name }) =>
  valuesOf(program([name]).commands.find((command) => command.name() === name)!).map(
    (option) => [name, option] as const,
  ),
);

function valuesOf(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap(valuesOf)].filter((option) => option.required);
}

/** What commands need besides. */
const NEEDED: Record<string, string[]> = {
  invert: ['photo.jpg', '--to', 'photo.recording'],
  evaluate: ['pie-bench', 'PIE-Bench_v1'],
};

/** What a command makes of one option's text: its settings, and what commander has read. */
async function read(name: string, flag: string, value: string): Promise<unknown> {
  const command = program([name]).commands.find((each) => each.name() === name)!;
  command
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .action(() => {});
  command.parse([...(NEEDED[name] ?? []), flag, value], { from: 'user' });
  const given = command.opts();
  switch (name) {
    case 'edit':
      return settingsFrom(editSettings, { source: 'a cat', target: ['a dog'], ...given });
    case 'generate':
      return settingsFrom(generateSettings, { prompt: 'a cat', ...given });
    case 'attend':
      return settingsFrom(attendSettings, { prompt: 'a cat', ...given });
    case 'invert':
      return settingsFrom(invertSettings, { image: 'photo.jpg', ...given });
    case 'info':
      return settingsFrom(openSettings, given);
    case 'evaluate':
      return { ...given, ...(await settingsFrom(openSettings, given)) };
    default:
      return given;
  }
}

test('the table has every option that takes a number', () => {
  expect(options.length).toBeGreaterThan(50);
  const numeric = options.filter(([, { flags }]) => !TEXTS.test(flags)).map(([, { long }]) => long);
  expect([...new Set(numeric)].sort()).toEqual(Object.keys(OPTIONS).sort());
});

describe.each(options.filter(([, { flags }]) => !TEXTS.test(flags)).map(([name, { long }]) => [name, long!]))(
  '%s %s',
  (name, flag) => {
    const { before = '', good, bad } = OPTIONS[flag];
    test.each(good)('takes %j', async (value) => {
      await expect(read(name, flag, before + value)).resolves.toBeDefined();
    });
    test.each([...bad, ...NO_NUMBERS])('refuses %j, by its name and what was expected', async (value) => {
      await expect(read(name, flag, before + value)).rejects.toThrow(new RegExp(`${flag}[^]*Expected`));
    });
  },
);
