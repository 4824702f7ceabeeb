/** The gallery shows every method there is, by code that compiles; `npm run gallery` makes its pictures from it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { INVERSIONS } from '../../src/inversion/names';

interface Entry {
  readonly name: string;
  readonly command?: string;
  readonly script?: string;
}

const root = resolve(__dirname, '../..');
const pictures = join(root, 'docs/images/gallery');
const entries: readonly Entry[] = require('../../scripts/gallery').entries;
const commands = entries.flatMap(({ command }) => command ?? []).join('\n');
const scripts = entries.flatMap(({ script }) => script ?? []);

test.each(INVERSIONS.filter((name) => name !== 'direct'))('it has the inversion %s', (name) => {
  expect(commands).toContain(`--inversion ${name} `);
});

test.each(readdirSync(join(root, 'examples')))('it has the example %s', (file) => {
  expect(scripts.join('\n')).toContain(`'../examples/${basename(file, '.ts')}'`);
});

test('it has a picture for each entry and no others, in half a megabyte', () => {
  const files = readdirSync(pictures);
  expect(files.filter((file) => file.endsWith('.webp')).sort()).toEqual(
    entries.map(({ name }) => `${name}.webp`).sort(),
  );
  expect(files.reduce((sum, file) => sum + statSync(join(pictures, file)).size, 0)).toBeLessThan(500_000);
});

test('its scripts compile', () => {
  const folder = join(root, '.cache/gallery-test');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const config = { extends: '../../tsconfig.json', compilerOptions: { module: 'esnext', moduleResolution: 'bundler' } };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...config, include: ['*.ts'] }));
  for (const [i, script] of scripts.entries())
    writeFileSync(join(folder, `${i}.ts`), script.replaceAll("'../examples/", "'../../examples/"));
  const tsc = require.resolve('typescript/bin/tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '-p', folder], { cwd: root, encoding: 'utf8' });
  expect(stdout).toBe('');
});
