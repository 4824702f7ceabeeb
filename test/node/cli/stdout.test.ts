import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { COMMANDS } from '../../../src/node/cli/program';
import { onlyWhere } from '../../onlyWhere';
import { MODEL, useCommand } from './command';

jest.setTimeout(180_000);
const { p2p, main, work } = useCommand();

const GENERATE = `generate --prompt "a cat" --model "${MODEL}" --steps 1 --backend wasm --threads 1`;
const shell = (command: string) =>
  spawnSync('bash', ['-c', `set -o pipefail; p2p() { "${process.execPath}" "${main()}" "$@"; }; ${command}`], {
    cwd: work(),
    encoding: 'utf8',
  });

describe('a reader who has gone is no error', () => {
  test.each(['edit --help', 'info', `${GENERATE} --json --out json`, `${GENERATE} --out text`])(
    'p2p %s | true',
    (command) => {
      const { status, stderr } = shell(`p2p ${command} | true`);
      expect([status, stderr]).toEqual([0, '']);
    },
  );

  test('the files are written all the same', () => {
    expect([existsSync(work('json/picture.png')), existsSync(work('text/picture.png'))]).toEqual([true, true]);
  });
});

onlyWhere(existsSync('/dev/full'), 'only Linux has /dev/full')('a full disk is an error in one line', () => {
  for (const command of ['--help', 'edit --help', 'info --json', `${GENERATE} --json --out full`]) {
    const { status, stderr } = shell(`p2p ${command} > /dev/full`);
    expect([command, status]).toEqual([command, 1]);
    expect(stderr).toMatch(/^error: The standard output cannot be written: ENOSPC.*\n$/);
  }
});

describe('places that cannot be written to are refused by name', () => {
  beforeAll(() => {
    mkdirSync(work('folder'));
    symlinkSync('nowhere', work('link'));
  });

  test.each([
    [['--out', 'link'], '--out link is a link to nowhere, which is not there'],
    [['--tensors', 'link'], '--tensors link is a link to nowhere, which is not there'],
    [['--record', 'link'], '--record link is a link to nowhere, which is not there'],
    [['--record', 'folder'], '--record folder is a folder'],
    [['--tensors', '/dev/null', '--force'], '--tensors /dev/null is a device'],
    [['--from', 'folder'], '--from: folder is a folder, not a file'],
    [['--from', 'link'], '--from: There is no file link'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await p2p(
      'generate',
      '--prompt',
      'a cat',
      '--model',
      MODEL,
      '--steps',
      '1',
      ...args,
    );
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, '']);
  });
});

test('the list of commands loads neither TensorFlow.js nor what describes settings', () => {
  const script = `
    process.argv[2] = '--help';
    require(${JSON.stringify(main())});
    setImmediate(() => process.stderr.write(Object.keys(require.cache).filter((file) => /tfjs|zod/.test(file)).join()));
  `;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script, 'p2p'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain('backends');
});

test.each(COMMANDS.map(({ name }) => name))('the help of %s does without TensorFlow.js', (name) => {
  const script = `
    process.argv.splice(1, Infinity, 'p2p', ${JSON.stringify(name)}, '--help');
    require(${JSON.stringify(main())});
    setImmediate(() => process.stderr.write(Object.keys(require.cache).filter((file) => /tfjs/.test(file)).join()));
  `;
  const { stderr, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});
