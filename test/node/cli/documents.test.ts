import { cpSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { COMMANDS, program } from '../../../src/node/cli/program';
import { useCommand, wordsOf } from './command';

jest.setTimeout(180_000);
const { p2p, work } = useCommand();

const root = resolve(__dirname, '../../..');
const QUICK = ['--backend', 'wasm', '--steps', '2', '--quiet'];

/** What `p2p` is called with in the documents and in its own help: the commands that make pictures, in their order. */
const commands = [
  ...['README.md', 'docs/cli.md', 'docs/pictures.md'].map((file) => readFileSync(join(root, file), 'utf8')),
  ...helps(),
]
  .flatMap((text) =>
    [...text.matchAll(/^ +(?:npx )?p2p ((?:edit|generate|attend|invert) .*)$/gm)].map(([, line]) => line),
  )
  .map((line) => line.replace(/ #.*$/, '').trim())
  // Of another model, which is not here.
  .filter((line) => !line.includes('...') && !/--model \S+\//.test(line));

function helps(): string[] {
  return COMMANDS.map(({ name }) => {
    const command = program([name]).commands.find((each) => each.name() === name)!;
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    return help;
  });
}

/** A held-out rendering, and a mask. */
beforeAll(async () => {
  const held = sharp(join(root, 'evaluate/held_out.png')).extract({ left: 256, top: 512, width: 128, height: 128 });
  await held.jpeg().toFile(work('photo.jpg'));
  for (const path of ['house.png', 'docs/images/house.png'])
    cpSync(join(root, 'docs/images/house.png'), work(...path.split('/')), { recursive: true });
  await sharp({ create: { width: 32, height: 32, channels: 3, background: '#fff' } }).toFile(work('where.png'));
});

test('there are some', () => {
  expect(commands.length).toBeGreaterThan(12);
});

test.each([...new Set(commands)])('p2p %s', async (line) => {
  const args = wordsOf(line);
  // A recording has its steps, and what another command of the documents recorded already may be replaced.
  const quick = args.includes('--recording') ? ['--backend', 'wasm', '--quiet'] : QUICK;
  const { code, stderr } = await p2p(
    ...args,
    ...quick,
    ...(['--record', '--to'].some((option) => args.includes(option)) ? ['--force'] : []),
  );
  expect([code, stderr]).toEqual([0, '']);
});

test('what they made is what the documents say', () => {
  const settings = JSON.parse(readFileSync(work('out/edit-1/edit.json'), 'utf8'));
  expect(settings).toMatchObject({
    source: 'a cat riding a bicycle in a meadow',
    target: ['a cat riding a motorcycle in a meadow'],
  });
});

describe('what looks at a model', () => {
  test.each(['info emoji-world', 'native status'])('p2p %s', async (line) => {
    const { code, stderr } = await p2p(...wordsOf(line));
    expect([code, stderr]).toEqual([0, '']);
  });
});
