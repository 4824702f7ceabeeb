// npm run walk: walks through the studio in Chromium and makes its pictures in docs/images anew (see walk.ts).
const { execFileSync } = require('node:child_process');
const { join } = require('node:path');
const { buildPackage, bundle } = require('./bundle');

async function main() {
  buildPackage();
  execFileSync(process.execPath, [await bundle(join(__dirname, 'walk.ts'))], {
    cwd: join(__dirname, '..'),
    stdio: 'inherit',
  });
}

void main();
