const { writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');

/**
 * Writes, beside each CommonJS entry of the package, an ES module that exports the same names, so that `import` and
 * `require` share one library with one state.
 */
const root = join(__dirname, '..');
for (const { require: entry, import: wrapper } of Object.values(require('../package.json').exports)) {
  if (!entry) continue;
  const names = Object.keys(require(join(root, entry.default))).sort();
  const module = `./${basename(entry.default)}`;
  writeFileSync(
    join(root, wrapper.default),
    `import library from '${module}';\nexport const { ${names.join(', ')} } = library;\n`,
  );
  writeFileSync(join(root, wrapper.types), `export * from '${module}';\n`);
}
