import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Writes sw.js with the names of all built files, so that the page opens offline after the first visit. */
export function serviceWorker() {
  return {
    name: 'service-worker',
    apply: 'build',
    generateBundle(_, bundle) {
      const served = readdirSync(fileURLToPath(new URL('public', import.meta.url)));
      const files = ['./', ...served, ...Object.keys(bundle).filter((file) => !file.endsWith('.map'))];
      const source = readFileSync(fileURLToPath(new URL('sw.js', import.meta.url)), 'utf8');
      const version = createHash('sha256').update(source).update(JSON.stringify(files)).digest('hex').slice(0, 12);
      this.emitFile({
        type: 'asset',
        fileName: 'sw.js',
        source: source.replace("'VERSION'", JSON.stringify(version)).replace("['FILES']", JSON.stringify(files)),
      });
    },
  };
}
