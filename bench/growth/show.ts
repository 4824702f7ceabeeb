/** Draws results/growth.json: one plot per measured size. */
import { readFileSync, writeFileSync } from 'node:fs';
import { drawPanels } from './draw';
import { panelsOf, type Row } from './panels';
import { readSizes } from './points';

const { results: rows } = JSON.parse(readFileSync('bench/results/growth.json', 'utf8')) as { results: Row[] };
for (const size of readSizes()) {
  const panels = panelsOf(size, rows);
  if (panels.length > 0)
    writeFileSync(
      `bench/results/growth-${size.name.toLowerCase().replace(/[^a-z0-9]+/g, '')}.png`,
      drawPanels(size.title, panels),
    );
}
