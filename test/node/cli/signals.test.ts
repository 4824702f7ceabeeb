import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MODEL, outcome, useCommand } from './command';

jest.setTimeout(180_000);
const { p2p, start, work } = useCommand();

const EDIT = ['edit', '--source', 'a cat in a meadow', '--target', 'a dog in a meadow', '--backend', 'wasm'];
const PLACES = ['--out', 'stopped/here', '--tensors', 'stopped/x.safetensors', '--record', 'stopped/cat.recording'];
/** Its first step takes minutes. */
const ENDLESS = [...EDIT, '--height', '1024', '--width', '1024', ...PLACES];

/** Starts a run and waits until it computes. */
async function computing(...args: string[]) {
  const child = start(...args);
  const ended = outcome(child);
  while (!existsSync(work('stopped'))) await sleep(50);
  await sleep(6000);
  return { child, ended };
}

test('a first Ctrl-C stops a run at its next step, which leaves nothing and says so', async () => {
  const { child, ended } = await computing(...EDIT, '--steps', '500', ...PLACES);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await ended;
  expect(stderr).toContain('Stopping at the next step');
  expect(stderr).toContain('Stopped. Nothing was written.');
  expect([code, stdout]).toEqual([130, '']);
  expect(existsSync(work('stopped'))).toBe(false);
});

test.each([
  [['SIGINT', 'SIGINT'], 130],
  [['SIGTERM'], 143],
  [['SIGHUP'], 129],
  [['SIGINT', 'SIGTERM'], 143],
] as const)('%j ends a run within a step that takes minutes, and leaves nothing', async (signals, expected) => {
  const { child, ended } = await computing(...ENDLESS);
  const start = performance.now();
  for (const signal of signals) {
    child.kill(signal);
    await sleep(100);
  }
  const { code, stdout, stderr } = await ended;
  // A second where the machine is quiet.
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(stderr).toContain('Stopped. Nothing was written.');
  expect([code, stdout]).toEqual([expected, '']);
  expect(existsSync(work('stopped'))).toBe(false);
});

test('what a killed run leaves ends soon, and is cleared by the next run there', async () => {
  const { child, ended } = await computing(...ENDLESS);
  child.kill('SIGKILL');
  await ended; // Its output is closed when the computing process has ended, too.
  expect(readdirSync(work('stopped'), { recursive: true }).length).toBeGreaterThan(0);
  mkdirSync(work('stopped/.of another.p2p-elsewhere-1-01234567'));
  const quick = ['--model', MODEL, '--steps', '1', '--backend', 'wasm', '--out', 'stopped/next', '--quiet'];
  const next = await p2p('generate', '--prompt', 'a cat', ...quick);
  expect([next.code, next.stderr]).toEqual([0, '']);
  expect(readdirSync(work('stopped')).sort()).toEqual(['.of another.p2p-elsewhere-1-01234567', 'next']);
});

test.each([
  ['wasm', '4.3 GB are allowed'],
  ['cpu', 'GB are allowed'],
])('%s refuses what its memory cannot hold before anything is computed', async (backend, message) => {
  const size = ['--height', '16384', '--width', '16384'];
  const { code, stdout, stderr } = await p2p(
    'generate',
    '--prompt',
    'a cat',
    '--backend',
    backend,
    ...size,
    '--out',
    'x',
  );
  expect(stderr).toMatch(/^error: The run needs about \d+\.\d GB/);
  expect(stderr).toContain(message);
  expect([code, stdout, existsSync(work('x'))]).toEqual([1, '', false]);
});
