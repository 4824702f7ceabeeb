import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build, transform } from 'esbuild';
import { onlyWhere } from '../onlyWhere';

const root = resolve(__dirname, '../..');
const name: string = require('../../package.json').name;
let consumer: string;

/** A folder beside the project in which the built package is installed, as `npm install` would lay it. */
beforeAll(() => {
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: root });
  mkdirSync(join(root, '.cache'), { recursive: true });
  consumer = mkdtempSync(join(root, '.cache', 'consumer-'));
  mkdirSync(join(consumer, 'node_modules'));
  symlinkSync(root, join(consumer, 'node_modules', name));
}, 180_000);
afterAll(() => rmSync(consumer, { recursive: true, force: true }));

const run = (file: string, text: string): string => {
  writeFileSync(join(consumer, file), text);
  return execFileSync(process.execPath, [file], { cwd: consumer, encoding: 'utf8' }).trim();
};

test('the package can be required', () => {
  expect(
    run(
      'use.cjs',
      `const { compose } = require('${name}'); const { loadPipeline } = require('${name}/node'); console.log(typeof compose, typeof loadPipeline)`,
    ),
  ).toBe('function function');
});

test('the package can be imported, by its names', () => {
  expect(
    run(
      'use.mjs',
      `import { compose } from '${name}'; import { loadPipeline } from '${name}/node'; console.log(typeof compose, typeof loadPipeline)`,
    ),
  ).toBe('function function');
});

test('what is imported and what is required are one library, by all its names', () => {
  const check = (entry: string) => `
    import { createRequire } from 'node:module';
    import * as imported from '${entry}';
    const required = createRequire(import.meta.url)('${entry}');
    const names = Object.keys(required).filter((name) => required[name] !== imported[name]);
    console.log(names.join() || 'the same', Object.keys(required).length > 0);
  `;
  for (const entry of [name, `${name}/node`, `${name}/browser`])
    expect(run('same.mjs', check(entry))).toBe('the same true');
});

test("without skipLibCheck the only complaints are of TensorFlow.js's own types, for import and for require", () => {
  const code = `import { compose, type AttentionController } from '${name}';\nimport { loadPipeline } from '${name}/node';\nexport const quiet: AttentionController = compose({ wants: () => [] });\nexport const pipe = loadPipeline('emoji-world');\n`;
  for (const file of ['strict.mts', 'strict.cts']) writeFileSync(join(consumer, file), code);
  const args = [
    '--noEmit',
    '--strict',
    '--target',
    'es2022',
    '--lib',
    'es2022,dom',
    '--module',
    'node20',
    '--types',
    'node',
    '--typeRoots',
  ];
  const { stdout } = spawnSync(
    process.execPath,
    [require.resolve('typescript/bin/tsc'), ...args, join(root, 'node_modules/@types'), 'strict.mts', 'strict.cts'],
    { cwd: consumer, encoding: 'utf8' },
  );
  const ours = stdout
    .split('\n')
    .filter((line) => /^\S+\(\d/.test(line) && !line.includes('node_modules/@tensorflow/'));
  expect(ours).toEqual([]);
}, 120_000);

/**
 * tslab's compiler. It cannot lie in node_modules beside the project's own: both are called tsc. `.ci/run` installs it.
 */
const tsc = join(root, '.cache/typescript-5.0/node_modules/typescript/bin/tsc');

onlyWhere(existsSync(tsc), 'only .ci/run installs TypeScript 5.0')(
  'TypeScript 5.0 reads the types, as tslab does',
  () => {
    writeFileSync(
      join(consumer, 'use.ts'),
      `import { compose, type AttentionController } from '${name}';\nimport { loadPipeline } from '${name}/node';\nexport const quiet: AttentionController = compose({ wants: () => [] });\nexport const pipe = loadPipeline('weights/emoji-world');\n`,
    );
    for (const resolution of [
      ['--module', 'commonjs', '--moduleResolution', 'node10'],
      ['--module', 'node16', '--moduleResolution', 'node16'],
    ]) {
      const args = [
        tsc,
        '--noEmit',
        '--strict',
        '--target',
        'es2022',
        '--types',
        'node',
        '--typeRoots',
        join(root, 'node_modules/@types'),
        '--skipLibCheck',
        ...resolution,
        'use.ts',
      ];
      expect(() =>
        execFileSync(process.execPath, args, { cwd: consumer, stdio: 'pipe', encoding: 'utf8' }),
      ).not.toThrow();
    }
  },
  120_000,
);

/** Whole programs in the documents: what begins with its imports. */
const examples = ['README.md', 'docs/controllers.md', 'docs/checkpoints.md'].flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^```ts\n(import .*?)^```/gms)].map(([, code]) => ({
    code,
    title: `${file}, ${/^(?:const|export) (?!pipe).*/m.exec(code)?.[0] ?? code}`,
  })),
);

test('the examples in the documents compile', () => {
  expect(examples.length).toBeGreaterThan(2);
  const files = examples.map(({ code }, i) => {
    writeFileSync(join(consumer, `example-${i}.mts`), code);
    return `example-${i}.mts`;
  });
  const args = [
    require.resolve('typescript/bin/tsc'),
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--typeRoots',
    join(root, 'node_modules/@types'),
    ...files,
  ];
  const { stdout } = spawnSync(process.execPath, args, { cwd: consumer, encoding: 'utf8' });
  expect(stdout).toBe('');
}, 120_000);

test.each(examples)(
  'the example in the documents runs: $title',
  async ({ code }) => {
    const { code: program } = await transform(code, { loader: 'ts' });
    writeFileSync(join(consumer, 'example.mjs'), program);
    const { status, stderr } = spawnSync(process.execPath, ['example.mjs'], { cwd: consumer, encoding: 'utf8' });
    // TensorFlow, where its backend is built, notes on stderr what the processor can do.
    expect(status === 0 ? '' : stderr).toBe('');
  },
  240_000,
);

test('the core bundles for a browser and asks nothing of Node', async () => {
  // For a browser, a module of Node's that is imported is an error.
  const { metafile, outputFiles } = await build({
    entryPoints: [join(root, 'src/index.ts')],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const ours = Object.keys(metafile!.inputs).filter((path) => path.startsWith('src/'));
  expect(ours.length).toBeGreaterThan(10);
  expect(ours.filter((path) => path.startsWith('src/node/'))).toEqual([]);
  expect(outputFiles[0].text.length).toBeGreaterThan(100_000);
}, 60_000);
