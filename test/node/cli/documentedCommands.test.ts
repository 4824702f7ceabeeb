import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command, CommanderError } from 'commander';
import { program } from '../../../src/node/cli/program';
import { wordsOf } from './command';

const root = resolve(__dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { projectDocuments } = JSON.parse(read('typedoc.json')) as { projectDocuments: string[] };
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

/** What stands in blocks of code, and what is spoken of in a sentence. */
const lines = ['README.md', ...projectDocuments].flatMap((file) =>
  [...read(file).matchAll(/^ {4}(.*)$|`([^`\n]+)`/gm)].map(([, block, spoken]) => ({
    file,
    line: block ?? spoken,
    isSpoken: block === undefined,
  })),
);
const commands = lines.flatMap(({ line, ...rest }) => {
  const [, command] = /^(?:npx )?p2p ([a-z].*)$/.exec(line) ?? [];
  return command ? [{ ...rest, line: command.replace(/ +#.*$/, '') }] : [];
});
const npm = lines.flatMap(({ file, line }) =>
  [...line.matchAll(/npm run ([\w-]+)/g)].map(([, name]) => ({ file, name })),
);

/** Reads a line as the command does, and does nothing. */
function parse(line: string): void {
  // What may be left out is there, what stands for more is not.
  const words = wordsOf(line.replace(/[[\]]/g, ''));
  const given = words.filter((word, i) => word !== '...' || words[i - 1].startsWith('--'));
  const p2p = program(given);
  const idle = (command: Command): void => {
    command.action(() => undefined).configureOutput({ writeErr: () => undefined });
    for (const each of command.commands) idle(each);
  };
  for (const command of p2p.commands) idle(command);
  p2p.parse(given, { from: 'user' });
}

/** A sentence may name a command or an option without all that it needs. */
const UNSAID = ['missingArgument', 'missingMandatoryOptionValue', 'optionMissingArgument'].map(
  (code) => `commander.${code}`,
);

test('there are some', () => {
  expect([commands.length > 60, npm.length > 20]).toEqual([true, true]);
});

test.each(commands)('$file: p2p $line', ({ line, isSpoken }) => {
  try {
    parse(line);
  } catch (error) {
    if (!isSpoken || !UNSAID.includes((error as CommanderError).code)) throw error;
  }
});

test.each(npm)('$file: npm run $name', ({ name }) => {
  expect(Object.keys(scripts)).toContain(name);
});

test('what is wrong is found', () => {
  expect(() => parse('edit --sorce "a cat"')).toThrow("unknown option '--sorce'");
  expect(() => parse('edit --steps many')).toThrow('many');
  expect(() => parse('edit --source')).toThrow('argument missing');
});
