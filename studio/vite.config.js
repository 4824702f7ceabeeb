// Builds the studio into dist/studio, on the library's sources.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { serviceWorker } from './serviceWorker.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  root: path('.'),
  base: './',
  resolve: {
    alias: [
      { find: /^prompt-to-prompt-tfjs\/browser$/, replacement: path('../src/browser/index.ts') },
      { find: /^prompt-to-prompt-tfjs$/, replacement: path('../src/index.ts') },
      // tfjs's core is enough: the rest of its umbrella package (layers, converters, WebGL) is most of its size.
      { find: /^@tensorflow\/tfjs$/, replacement: path('src/engine/tfjs.ts') },
    ],
  },
  worker: { format: 'es' },
  plugins: [serviceWorker()],
  build: {
    outDir: path('../dist/studio'),
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 2000,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
});
