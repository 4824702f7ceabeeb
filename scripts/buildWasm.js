// Compiles wasm/, our kernels for the wasm backend, into src/backend/wasmBinary.ts if that is out of date: once for a
// single thread's memory, once for shared memory.
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const source = join(root, 'wasm');
const target = join(root, 'src', 'backend', 'wasmBinary.ts');
// Used by both sides.
const layout = join(root, 'src', 'backend', 'wasmLayout.ts');
const compiler = join(require.resolve('assemblyscript/package.json'), '..', 'bin', 'asc.js');

const MEMORIES = { plain: [], shared: ['--sharedMemory', '--maximumMemory', '65536'] };
const OPTIONS = [
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--noExportMemory',
  '--initialMemory',
  '1',
  '--enable',
  'simd',
  '--enable',
  'threads',
];

function isFresh() {
  const sources = [
    __filename,
    ...readdirSync(source)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(source, file)),
    layout,
  ];
  return existsSync(target) && sources.every((file) => statSync(file).mtimeMs <= statSync(target).mtimeMs);
}

/** @returns one line of the generated file */
function compile(memory) {
  const folder = join(root, '.cache', 'wasm');
  mkdirSync(folder, { recursive: true });
  const out = join(folder, `${memory}.wasm`);
  execFileSync(process.execPath, [compiler, 'wasm/index.ts', '-o', out, ...OPTIONS, ...MEMORIES[memory]], {
    cwd: root,
    stdio: 'inherit',
  });
  return `  ${memory}: '${readFileSync(out, 'base64')}',`;
}

exports.buildWasm = () => {
  if (isFresh()) return;
  const note = '/** wasm/ as scripts/buildWasm.js compiles it, in base64. */';
  writeFileSync(
    target,
    `${note}\nexport const WASM_BINARY = {\n${Object.keys(MEMORIES).map(compile).join('\n')}\n} as const;\n`,
  );
};

if (require.main === module) exports.buildWasm();
