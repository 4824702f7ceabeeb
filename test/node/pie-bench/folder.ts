import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodePng } from '../../../src/node/png';
import { drawn } from '../../metrics/drawn';

export const SIDE = 64;
const CENTRE = [20 * SIDE + 20, 10, 21 * SIDE + 20, 10];

/** Ten pictures in PIE-Bench's layout, of kinds 0 to 4, in a folder that is removed after the tests. */
export function useBench(): () => string {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pie-bench-'));
    const entries = Array.from({ length: 10 }, (_, i) => entry(i));
    for (const [i, { image_path }] of entries.entries()) {
      const file = join(folder, 'annotation_images', image_path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, encodePng(drawn(i + 1, SIDE, SIDE)));
    }
    const mapping = Object.fromEntries(entries.map((one, i) => [`00000000000${i}`, one]));
    await writeFile(join(folder, 'mapping_file.json'), JSON.stringify(mapping));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

function entry(i: number) {
  const category = i % 5;
  return {
    image_path: `${category}_kind/00${i}.png`,
    original_prompt: 'a [cat] riding a bicycle',
    editing_prompt: i % 2 === 0 ? 'a [dog] riding a bicycle' : 'a cat riding a bicycle [in a meadow]',
    editing_instruction: 'Change it',
    editing_type_id: String(category),
    blended_word: i % 2 === 0 ? 'cat dog' : '',
    mask: CENTRE,
  };
}
