// node scripts/run.js FILE: builds the package, and runs TypeScript that uses it but is not part of it.
const { spawnSync } = require('node:child_process');
const { join, resolve } = require('node:path');
const { buildPackage, bundle } = require('./bundle');

async function main() {
  buildPackage();
  const program = await bundle(resolve(process.argv[2]));
  process.exitCode =
    spawnSync(process.execPath, [program], { cwd: join(__dirname, '..'), stdio: 'inherit' }).status ?? 1;
}

void main();
