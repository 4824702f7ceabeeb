const { writeFileSync } = require('node:fs');
const { basename, join } = require('node:path');

/**
 * Gives each entry of the package, which is CommonJS, an ES module beside it with the same names: `import` and `require`
 * get one and the same library, with one state.
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
