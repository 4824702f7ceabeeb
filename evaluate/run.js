// npm run evaluate [-- OPTIONS]: builds the evaluation and runs it (see main.ts).
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { buildPackage, bundle } = require('../scripts/bundle');

async function main() {
  buildPackage();
  await bundle(join(__dirname, 'worker.ts'));
  const program = await bundle(join(__dirname, 'main.ts'));
  process.exitCode =
    spawnSync(process.execPath, [program, ...process.argv.slice(2)], { cwd: join(__dirname, '..'), stdio: 'inherit' })
      .status ?? 1;
}

void main();
