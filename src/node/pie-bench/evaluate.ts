import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Picture } from '../../image/picture';
import { fitPicture, place } from '../../image/placement';
import { encodePng, readPng } from '../png';
import { readPicture } from '../readPicture';
import type { BenchEdit } from './bench';
import type { Editor } from './editors';
import { type Measures, measureAll } from './measures';
import { pictureFile, reportPage, SOURCE } from './page';
import { Table } from './table';

export interface EvaluateOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Makes every edit with every editor, measures it, and writes `results.csv`, `report.html` and the pictures. Results of
 * an earlier run in the folder are reused.
 *
 * @param folder to write to; created if it does not exist
 */
export async function evaluate(
  edits: readonly BenchEdit[],
  editors: readonly Editor[],
  measures: Measures,
  folder: string,
  { signal, onProgress }: EvaluateOptions = {},
): Promise<Table> {
  await mkdir(folder, { recursive: true });
  const table = await Table.open(join(folder, 'results.csv'), measures.measures);
  const names = editors.map(({ name }) => name);
  let done = 0;
  try {
    for (const edit of edits) {
      for (const editor of editors) {
        signal?.throwIfAborted();
        if (!table.find(edit.id, editor.name)) await one(edit, editor, { measures, folder, table, signal });
        onProgress?.(++done, edits.length * editors.length);
      }
    }
  } finally {
    await write(join(folder, 'report.html'), reportPage(edits, names, table, measures));
  }
  return table;
}

interface Parts {
  readonly measures: Measures;
  readonly folder: string;
  readonly table: Table;
  readonly signal?: AbortSignal;
}

async function one(edit: BenchEdit, editor: Editor, { measures, folder, table, signal }: Parts): Promise<void> {
  const { picture } = await readPicture(edit.file);
  checkRuns(edit, picture);
  const file = join(folder, pictureFile(editor.name, edit));
  const made = existsSync(file) ? await readMade(file) : await editor.edit(edit, picture, signal);
  if (!existsSync(file)) await write(file, encodePng(made));
  const source = join(folder, pictureFile(SOURCE, edit));
  if (!existsSync(source)) await write(source, encodePng(picture));
  // Pictures of a different size are measured at the benchmark's size, at which the edited regions are known.
  const edited = fitPicture(made, place(made, picture));
  const values = await measureAll(measures, { edit, source: picture, edited });
  await table.add({ id: edit.id, category: edit.category, editor: editor.name, values });
}

/** An edit that an earlier run has made. */
function readMade(file: string): Promise<Picture> {
  return readPng(file).catch((error: Error) => {
    throw new Error(`${error.message} Remove it, and it is made again.`);
  });
}

/** @throws if a run of the edited region begins outside the picture */
function checkRuns(edit: BenchEdit, { width, height }: Picture): void {
  const places = width * height;
  for (let i = 0; i + 1 < edit.runs.length; i += 2) {
    if (edit.runs[i] >= places)
      throw new Error(
        `${edit.id}: its mask begins at place ${edit.runs[i]}, but ${edit.file} has ${places} places only.`,
      );
  }
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.unfinished`, content);
  await rename(`${file}.unfinished`, file);
}
