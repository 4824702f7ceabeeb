// Makes the pictures of docs/gallery.md: `npm run gallery`, or `npm run gallery -- swap mask` for some of them.
//
// An entry of the gallery is a picture and the code below it, a command or TypeScript. The code writes PNG files, and the picture's
// title says which of them it shows, from left to right:
//
//     ![What it shows](images/gallery/swap.webp "source, edit-1")
//
//         p2p edit ...
const { execFileSync, execSync } = require('node:child_process');
const { copyFileSync, mkdirSync, readFileSync, rmSync } = require('node:fs');
const { basename, join } = require('node:path');
const { build } = require('esbuild');
const sharp = require('sharp');

const ROOT = join(__dirname, '..');
const DOCS = join(ROOT, 'docs');
const IMAGES = join(DOCS, 'images');
const GALLERY = join(IMAGES, 'gallery');
/** The files that the code finds in its folder. */
const GIVEN = ['house.png', 'gallery/sky.png'];

const ENTRY =
  /^!\[.+\]\(images\/gallery\/(?<name>.+)\.webp "(?<shown>.+)"\)\n\n(?: {4}p2p (?<command>.+)|```ts\n(?<script>[\s\S]+?)\n```)$/gm;

const entries = [...readFileSync(join(DOCS, 'gallery.md'), 'utf8').matchAll(ENTRY)].map(({ groups }) => groups);

async function main(names) {
  for (const { name, shown, command, script } of entries) {
    if (names.length > 0 && !names.includes(name)) continue;
    const made = join(ROOT, '.cache/gallery', name);
    rmSync(made, { recursive: true, force: true });
    mkdirSync(made, { recursive: true });
    for (const file of GIVEN) copyFileSync(join(IMAGES, file), join(made, basename(file)));
    if (command) runCommand(command, made, shown.includes('no-injection'));
    else await runScript(script, made);
    const files = shown.split(', ').map((file) => join(made, `${file}.png`));
    await sideBySide(files, join(GALLERY, `${name}.webp`));
    console.log(name);
  }
}

function runCommand(command, folder, compare) {
  const p2p = `"${process.execPath}" "${join(ROOT, 'dist/node/cli/main.js')}"`;
  const rest = command.startsWith('edit') && !compare ? '--no-compare' : '';
  execSync(`${p2p} ${command} --quiet --force --out . ${rest}`, { cwd: folder, stdio: 'inherit' });
}

/** A script resolves the examples as from docs/, and the package as built. */
async function runScript(script, folder) {
  const file = join(folder, 'script.mjs');
  await build({
    stdin: { contents: script, resolveDir: DOCS, loader: 'ts' },
    bundle: true,
    packages: 'external',
    tsconfigRaw: {}, // the project's tsconfig would resolve the package's name to its sources
    format: 'esm',
    platform: 'node',
    outfile: file,
  });
  execFileSync(process.execPath, [file], { cwd: folder, stdio: 'inherit' });
}

const SIDE = 256;
const GAP = 8;

async function sideBySide(files, to) {
  const composites = await Promise.all(
    files.map(async (file, i) => ({
      input: await sharp(file).resize(SIDE, SIDE).toBuffer(),
      left: i * (SIDE + GAP),
      top: 0,
    })),
  );
  const width = files.length * (SIDE + GAP) - GAP;
  const canvas = sharp({ create: { width, height: SIDE, channels: 4, background: '#0000' } });
  await canvas.composite(composites).webp({ quality: 80 }).toFile(to);
}

module.exports = { entries };
if (require.main === module) main(process.argv.slice(2));
