// Builds the package, then bundles TypeScript that uses it but is not part of it, such as bench/ and evaluate/.
const { execFileSync } = require('node:child_process');
const { basename, join } = require('node:path');
const esbuild = require('esbuild');
const { buildWasm } = require('./buildWasm');

const root = join(__dirname, '..');

/** Resolves imports from `../src/`, at any depth, to `dist/`, where the library finds its own files. */
const srcIsDist = {
  name: 'src-is-dist',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^(\.\.\/)+src\// }, ({ path }) => ({
      path: join(root, 'dist', path.replace(/^(\.\.\/)+src\//, '')),
      external: true,
    })),
};

exports.buildPackage = () => {
  buildWasm();
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
};

/** @returns the bundled file, in `.cache/` */
exports.bundle = async (file) => {
  const folder = basename(join(file, '..'));
  const outfile = join(root, '.cache', folder, basename(file).replace(/\.ts$/, '.js'));
  await esbuild.build({
    entryPoints: [file],
    bundle: true,
    platform: 'node',
    packages: 'external',
    plugins: [srcIsDist],
    outfile,
    logLevel: 'error',
  });
  return outfile;
};
