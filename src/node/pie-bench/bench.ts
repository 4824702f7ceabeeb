import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { problemsIn } from '../../config';
import type { Mask } from '../../edits/prompt-to-prompt/givenMask';
import type { Size } from '../../image/resample';
import { isSafePath } from '../../weights/fileTree';

/** A picture, and an edit of it to be measured. */
export interface BenchEdit {
  readonly id: string;
  /** The kind of edit, `0` (any) to `9` (style). */
  readonly category: string;
  /** The picture's path in `annotation_images`. */
  readonly path: string;
  readonly file: string;
  readonly source: string;
  readonly target: string;
  /** The edited word, and what it becomes. */
  readonly words?: readonly [source: string, target: string];
  /** The region that may change, as pairs of a start position and a length, row by row. */
  readonly runs: readonly number[];
}

const mapping = z.record(
  z.string(),
  z.object({
    image_path: z.string().refine(isSafePath, 'Expected a path below annotation_images'),
    original_prompt: z.string(),
    editing_prompt: z.string(),
    editing_type_id: z.coerce.string(),
    blended_word: z.string().default(''),
    mask: z
      .array(z.number().int().nonnegative())
      .refine(({ length }) => length % 2 === 0, 'Expected pairs of a start and a length'),
  }),
);

/**
 * Reads the edits of a folder in PIE-Bench's layout (Ju et al. 2023): `mapping_file.json`, and the pictures in
 * `annotation_images`. Square brackets around the words that change are removed from the prompts.
 *
 * @throws if the folder has no such file, or it has another form; the error names the entry
 */
export async function readPieBench(folder: string): Promise<BenchEdit[]> {
  const name = join(folder, 'mapping_file.json');
  const text = await readFile(name, 'utf8').catch(() => {
    throw new Error(`${folder} is not in PIE-Bench's layout: it has no mapping_file.json.`);
  });
  const json = parseJson(name, text);
  const parsed = mapping.safeParse(json);
  if (!parsed.success) throw new Error(problemsIn({ issues: parsed.error.issues.slice(0, 1) }, json, name));
  return Object.entries(parsed.data).map(([id, entry]) => {
    const words = entry.blended_word.split(' ').filter((word) => word !== '');
    if (words.length !== 0 && words.length !== 2)
      throw new Error(`${name}: ${id}.blended_word: expected two words or none, not "${entry.blended_word}".`);
    return {
      id,
      category: entry.editing_type_id,
      path: entry.image_path,
      file: join(folder, 'annotation_images', entry.image_path),
      source: withoutBrackets(entry.original_prompt),
      target: withoutBrackets(entry.editing_prompt),
      words: words.length === 2 ? [words[0], words[1]] : undefined,
      runs: entry.mask,
    };
  });
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${(error as Error).message}. Get the file again.`);
  }
}

const withoutBrackets = (prompt: string): string => prompt.replaceAll(/[[\]]/g, '');

/**
 * The region that may change, in a picture of this size: 1 there and, as in the benchmark's own script, along the
 * picture's edges, where annotations are often wrong.
 */
export function editedRegion({ runs }: Pick<BenchEdit, 'runs'>, { width, height }: Size): Mask {
  const data = new Float32Array(width * height);
  for (let i = 0; i + 1 < runs.length; i += 2) data.fill(1, runs[i], runs[i] + runs[i + 1]);
  data.fill(1, 0, width).fill(1, data.length - width);
  for (let y = 0; y < height; y++) data[y * width] = data[(y + 1) * width - 1] = 1;
  return { width, height, data };
}
