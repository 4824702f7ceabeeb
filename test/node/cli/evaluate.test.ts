import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBench } from '../pie-bench/folder';
import { MODEL, useCommand, without } from './command';

jest.setTimeout(300_000);
const { p2p, work } = useCommand();
const bench = useBench();
const QUICK = ['--model', MODEL, '--steps', '2', '--backend', 'wasm', '--threads', '1'];

test('a benchmark is edited by two methods, measured and reported', async () => {
  const args = ['evaluate', 'pie-bench', bench(), ...QUICK, '--limit', '2', '--out', 'results'];
  const { code, stdout, stderr } = await p2p(...args, '--method', 'direct', '--method', 'ddim', '--json');
  expect([code, stderr]).toEqual([0, '']);
  const { means, missing } = JSON.parse(stdout) as { means: Record<string, unknown>[]; missing: unknown[] };
  expect(means).toMatchObject([
    { method: 'direct', edits: 2, psnr_unedit_part: expect.any(Number) },
    { method: 'ddim', edits: 2, psnr_unedit_part: expect.any(Number) },
  ]);
  expect(missing).toHaveLength(3);
  expect(readFileSync(work('results/results.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(5);
  for (const file of ['report.html', 'direct/0_kind/000.png', 'source/1_kind/001.png'])
    expect(existsSync(work('results', file))).toBe(true);

  const other = await p2p(...without(args, '--steps'), '--steps', '3');
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('is of a run with other settings')]);
});

test('a LoRA is added to the model, and other settings than without it', async () => {
  const lora = join(__dirname, '../../fixtures/lora/kohya.safetensors');
  const args = ['evaluate', 'pie-bench', bench(), ...QUICK, '--limit', '1', '--json'];
  const measured = async (...more: string[]) => {
    const { code, stdout, stderr } = await p2p(...args, ...more);
    expect([code, stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as { means: [{ psnr_unedit_part: number }] }).means[0].psnr_unedit_part;
  };
  expect(await measured('--lora', lora, '--out', 'with')).not.toBe(await measured('--out', 'without'));
  const { code, stderr } = await p2p(...args, '--lora', lora, '--out', 'without');
  expect([code, stderr]).toEqual([2, expect.stringContaining('is of a run with other settings')]);
});

test('pictures that were made before are measured without a model', async () => {
  const pictures = join(bench(), 'annotation_images');
  const args = ['evaluate', 'pie-bench', bench(), '--backend', 'wasm', '--category', '3', '--out', 'theirs'];
  const { code, stdout, stderr } = await p2p(...args, '--results', `same=${pictures}`);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^same +Infinity +0.00 +100.00$/m);
  expect(stdout).toContain('structure_distance: not measured; needs dino-vitb8/model.safetensors');
});

test.each([
  [[], 'warning: cpu computes on at most 1 thread, not on 2.\n'],
  [['--quiet'], ''],
])('what is odd is told on stderr, unless it is to be quiet: %j', async (more, stderr) => {
  const pictures = join(bench(), 'annotation_images');
  const args = ['evaluate', 'pie-bench', bench(), '--backend', 'cpu', '--threads', '2', '--limit', '1', ...more];
  expect(await p2p(...args, '--results', `same=${pictures}`, '--out', `odd${more.length}`)).toMatchObject({
    code: 0,
    stderr,
  });
});

test.each([
  [['--method', 'magic'], "'--method <name>' argument 'magic' is invalid. Expected one of direct"],
  [['--results', 'here'], '--results here: expected NAME=FOLDER'],
  [['--results', 'none=nowhere'], '--results: There is no folder nowhere'],
  [['--method', 'direct', '--method', 'direct'], '--results and --method: direct is given twice'],
  [['--results', 'source=.'], "--results and --method: source is the sources' own name"],
  [['--networks', 'nowhere'], '--networks: There is no folder nowhere'],
  [['--backend', 'foo'], "'--backend <name>' argument 'foo' is invalid. Expected one of node-gpu"],
  [['--category', '77'], 'Expected a whole number from 0 to 9'],
])('%s cannot be meant', async (args, message) => {
  const { code, stderr } = await p2p('evaluate', 'pie-bench', bench(), ...args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
});
