import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { onlyWhere } from '../onlyWhere';

const root = resolve(__dirname, '../..');
const name: string = require('../../package.json').name;
/** Jupyter and tslab's kernel, as `.ci/run` installs them. */
const kernel = join(root, '.cache/tslab');
const jupyter = join(kernel, 'bin/jupyter');
const notebooks = readdirSync(join(root, 'notebooks')).filter((file) => file.endsWith('.ipynb'));

interface Cell {
  readonly cell_type: string;
  readonly outputs?: readonly { readonly data?: Readonly<Record<string, unknown>> }[];
}

let consumer: string;

/**
 * A folder in which the package is installed as it is published; what it depends on lies in the project's folder above.
 */
beforeAll(() => {
  if (!existsSync(jupyter)) return;
  mkdirSync(join(root, '.cache'), { recursive: true });
  consumer = mkdtempSync(join(root, '.cache', 'notebooks-'));
  const installed = join(consumer, 'node_modules', name);
  mkdirSync(installed, { recursive: true });
  execFileSync('npm', ['pack', '--silent', '--pack-destination', consumer], { cwd: root });
  const [packed] = readdirSync(consumer).filter((file) => file.endsWith('.tgz'));
  execFileSync('tar', ['xzf', join(consumer, packed), '--strip-components=1', '-C', installed]);
});
afterAll(() => consumer && rmSync(consumer, { recursive: true, force: true }));

for (const file of notebooks) {
  onlyWhere(existsSync(jupyter), "only .ci/run installs tslab's kernel")(
    `${file} runs to its end and shows pictures`,
    () => {
      copyFileSync(join(root, 'notebooks', file), join(consumer, file));
      execFileSync(jupyter, ['nbconvert', '--to', 'notebook', '--execute', '--inplace', join(consumer, file)], {
        env: { ...process.env, JUPYTER_PATH: join(kernel, 'share/jupyter'), JUPYTER_PLATFORM_DIRS: '1' },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const cells: Cell[] = JSON.parse(readFileSync(join(consumer, file), 'utf8')).cells;
      const pictures = cells.flatMap(({ outputs = [] }) => outputs).filter(({ data = {} }) => 'image/png' in data);
      expect(pictures.length).toBeGreaterThan(1);
    },
  );
}
