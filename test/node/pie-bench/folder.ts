import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Picture } from '../../../src/image/picture';
import { resample } from '../../../src/image/resample';
import { encodePng, readPng } from '../../../src/node/png';

export const SIDE = 64;

/** The sheet of the embedded model's world that `training/held_out.py` rendered, and what it shows. */
const SHEET = 'evaluate/pictures.png';
const PAIRS = JSON.parse(readFileSync('evaluate/pictures.json', 'utf8')) as { source: string; target: string }[];
const [PER_ROW, TILE] = [8, 128];

/** Ten pairs of the sheet whose words the small checkpoint knows, as [row, column]. */
const CHOSEN = [
  [0, 1],
  [1, 1],
  [2, 2],
  [3, 1],
  [4, 4],
  [0, 4],
  [1, 2],
  [2, 5],
  [3, 5],
  [1, 4],
] as const;

/**
 * Ten renderings of the embedded model's world in PIE-Bench's layout, of kinds 0 to 4, in a folder that is removed
 * after the tests. An edit may change what the true edit changes.
 */
export function useBench(): () => string {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pie-bench-'));
    const sheet = await readPng(SHEET);
    const mapping: Record<string, object> = {};
    for (const [i, [row, column]] of CHOSEN.entries()) {
      const [before, after] = [0, 1].map((k) => tile(sheet, row, 2 * column + k));
      const entry = entryOf(i, PAIRS[row * PER_ROW + column], runsOf(before, after));
      const file = join(folder, 'annotation_images', entry.image_path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, encodePng(before));
      mapping[`00000000000${i}`] = entry;
    }
    await writeFile(join(folder, 'mapping_file.json'), JSON.stringify(mapping));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

function tile(sheet: Picture, row: number, column: number): Picture {
  const box = { x: column * TILE, y: row * TILE, width: TILE, height: TILE };
  return resample(sheet, box, { width: SIDE, height: SIDE });
}

/** Where two pictures differ, as starts and lengths. */
function runsOf(before: Picture, after: Picture): number[] {
  const differs = (i: number): boolean => [0, 1, 2].some((c) => before.data[4 * i + c] !== after.data[4 * i + c]);
  const runs: number[] = [];
  for (let i = 0; i < SIDE * SIDE; i++) {
    if (!differs(i)) continue;
    if (i > 0 && differs(i - 1)) runs[runs.length - 1]++;
    else runs.push(i, 1);
  }
  return runs;
}

function entryOf(i: number, { source, target }: { source: string; target: string }, mask: readonly number[]) {
  const category = i % 5;
  const [from, to] = [onlyIn(source, target), onlyIn(target, source)];
  return {
    image_path: `${category}_kind/00${i}.png`,
    original_prompt: marked(source, from),
    editing_prompt: marked(target, to),
    editing_instruction: 'Change it',
    editing_type_id: String(category),
    blended_word: from.length === 1 && to.length === 1 ? `${from[0]} ${to[0]}` : '',
    mask,
  };
}

function onlyIn(text: string, other: string): string[] {
  return text.split(' ').filter((word) => !other.split(' ').includes(word));
}

function marked(text: string, words: readonly string[]): string {
  const ofWord = (word: string): string => (words.includes(word) ? `[${word}]` : word);
  return text.split(' ').map(ofWord).join(' ');
}
