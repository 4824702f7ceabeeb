import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Picture } from '../../../src/image/picture';
import { mse, psnr } from '../../../src/metrics/similarity';
import { openCheckpoint } from '../../../src/node/checkpoint';
import { type BenchEdit, editedRegion, readPieBench } from '../../../src/node/pie-bench/bench';
import { type Editor, editorBy, madeBefore, withPublishedSteps } from '../../../src/node/pie-bench/editors';
import { evaluate } from '../../../src/node/pie-bench/evaluate';
import { openMeasures } from '../../../src/node/pie-bench/measures';
import { encodePng, readPng } from '../../../src/node/png';
import { StableDiffusionPipeline } from '../../../src/pipeline';
import { useBackend } from '../../backend';
import { drawn } from '../../metrics/drawn';
import { SIDE, useBench } from './folder';

useBackend();
const bench = useBench();

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), 'pie-bench-out-'));
});
afterEach(() => rm(out, { recursive: true, force: true }));

/** Turns pictures upside down, and counts how often. */
function upsideDown(): Editor & { calls: number } {
  const editor = {
    name: 'upside-down',
    calls: 0,
    async edit(_edit: BenchEdit, { width, height, data }: Picture): Promise<Picture> {
      editor.calls++;
      const at = (i: number): number => 4 * (width * height - 1 - Math.floor(i / 4)) + (i % 4);
      return { width, height, data: data.map((_, i) => data[at(i)]!) };
    },
  };
  return editor;
}

const ENTRY = { image_path: 'a.png', original_prompt: 'a', editing_prompt: 'b', editing_type_id: '0', mask: [] };

describe('the folder', () => {
  test('prompts lose their brackets, and the words of an edit are two or none', async () => {
    const edits = await readPieBench(bench());
    expect(edits).toHaveLength(10);
    const [first, second] = edits;
    expect(first).toMatchObject({ id: '000000000000', category: '0', words: ['pig', 'panda'] });
    expect([first!.source, first!.target]).toEqual(['a pig on a mountain at night', 'a panda on a mountain at night']);
    expect(second!.words).toBeUndefined();
    expect(existsSync(first!.file)).toBe(true);
  });

  test('one of another layout is refused, and an entry of another form named', async () => {
    await expect(readPieBench(out)).rejects.toThrow('it has no mapping_file.json');
    await writeFile(join(out, 'mapping_file.json'), JSON.stringify({ 7: { image_path: 'a.png', mask: 'all' } }));
    await expect(readPieBench(out)).rejects.toThrow('mapping_file.json: 7.original_prompt is absent');
  });

  test.each([
    ['{', 'mapping_file.json is not JSON'],
    ['[]', 'mapping_file.json: Invalid input: expected record'],
    [
      JSON.stringify({ 7: { ...ENTRY, image_path: '../../a.png' } }),
      '7.image_path is "../../a.png": Expected a path below',
    ],
    [JSON.stringify({ 7: { ...ENTRY, mask: [1] } }), '7.mask is [1]: Expected pairs of a start and a length'],
  ])('a mapping that cannot be used is refused by the entry: %s', async (text, message) => {
    await writeFile(join(out, 'mapping_file.json'), text);
    await expect(readPieBench(out)).rejects.toThrow(message);
  });

  test("a region is its runs, and the picture's edge", () => {
    const region = editedRegion({ runs: [7, 3, 22, 100] }, { width: 6, height: 5 });
    const lines = Array.from({ length: 5 }, (_, y) => region.data.slice(y * 6, y * 6 + 6).join(''));
    expect(lines).toEqual(['111111', '111101', '100001', '100011', '111111']);
  });
});

describe('an evaluation', () => {
  test('measures every edit outside of its region, and reports it', async () => {
    const edits = await readPieBench(bench());
    const measures = await openMeasures();
    const { rows } = await evaluate(edits, [upsideDown()], measures, out);
    expect(rows).toHaveLength(10);

    const picture = await readPng(edits[0]!.file);
    const turned = await upsideDown().edit(edits[0]!, picture);
    const region = editedRegion(edits[0]!, picture);
    const kept = { ...region, data: region.data.map((share) => 1 - share) };
    expect(rows[0]!.values.mse_unedit_part).toBeCloseTo(mse(picture, turned, kept), 10);
    expect(rows[0]!.values.psnr_unedit_part).toBeCloseTo(psnr(picture, turned, kept), 10);

    const csv = (await readFile(join(out, 'results.csv'), 'utf8')).split('\n');
    expect(csv[0]).toBe('id,category,method,psnr_unedit_part,mse_unedit_part,ssim_unedit_part');
    expect(csv).toHaveLength(12);
    const report = await readFile(join(out, 'report.html'), 'utf8');
    expect(report).toContain('<img src="upside-down/0_kind/000.png"');
    expect(report).toContain('Structure: needs dino-vitb8/model.safetensors');
    for (const [, file] of report.matchAll(/<img src="([^"]*)"/g)) expect(existsSync(join(out, file!))).toBe(true);
  });

  test('that was stopped goes on where it was, and that of other measures takes what pictures there are', async () => {
    const edits = (await readPieBench(bench())).slice(0, 4);
    const measures = await openMeasures();
    const editor = upsideDown();
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 2) stop.abort(new Error('stopped'));
    };
    await expect(evaluate(edits, [editor], measures, out, { signal: stop.signal, onProgress })).rejects.toThrow(
      'stopped',
    );
    expect(editor.calls).toBe(2);
    // A line that was cut off is measured again, and one that is none left out.
    const file = join(out, 'results.csv');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, -5).replace('\n', '\nnone\n'));
    const whole = await evaluate(edits, [editor], measures, out);
    expect(editor.calls).toBe(4);
    expect(whole.rows.map(({ id }) => id)).toEqual(edits.map(({ id }) => id));

    const fewer = { ...measures, measures: measures.measures.slice(0, 1) };
    const again = await evaluate(edits, [editor], fewer, out);
    expect(editor.calls).toBe(4);
    expect(again.rows.map(({ values }) => Object.keys(values))).toEqual(edits.map(() => ['psnr_unedit_part']));
    expect(again.rows.map(({ values }) => values.psnr_unedit_part)).toEqual(
      whole.rows.map(({ values }) => values.psnr_unedit_part),
    );
  });

  test('takes the measures whose networks are in the folder of networks', async () => {
    await copyFile('test/fixtures/metrics/lpips.safetensors', join(out, 'lpips-squeeze.safetensors'));
    const measures = await openMeasures(out);
    expect(measures.missing.flatMap(({ names }) => names)).not.toContain('lpips_unedit_part');
    const [edit] = await readPieBench(bench());
    const { rows } = await evaluate([edit!], [upsideDown()], measures, join(out, 'results'));
    measures.dispose();
    expect(Object.keys(rows[0]!.values)[1]).toBe('lpips_unedit_part');
    expect(rows[0]!.values.lpips_unedit_part).toBeGreaterThan(0);
  });

  test('where all may change, nothing is measured', async () => {
    const [edit] = await readPieBench(bench());
    const everywhere = { ...edit!, runs: [0, SIDE * SIDE] };
    const { rows } = await evaluate([everywhere], [upsideDown()], await openMeasures(), out);
    expect(Object.values(rows[0]!.values)).toEqual([NaN, NaN, NaN]);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('<td>–</td>');
  });

  test("a region of another picture's size is refused by name", async () => {
    const [edit] = await readPieBench(bench());
    const larger = { ...edit!, runs: [512 * 300, 9] };
    await expect(evaluate([larger], [upsideDown()], await openMeasures(), out)).rejects.toThrow(
      /^000000000000: its mask begins at place 153600, but .*000.png has 4096 places only/,
    );
  });
});

describe('edits', () => {
  test('made before are the last square of their picture', async () => {
    const edits = await readPieBench(bench());
    const [left, right] = [drawn(20, SIDE, SIDE), drawn(21, SIDE, SIDE)];
    const both = new Uint8ClampedArray(2 * SIDE * SIDE * 4);
    for (let y = 0; y < SIDE; y++) {
      const line = (picture: Picture): Uint8ClampedArray => picture.data.subarray(y * SIDE * 4, (y + 1) * SIDE * 4);
      both.set(line(left), 2 * y * SIDE * 4);
      both.set(line(right), (2 * y + 1) * SIDE * 4);
    }
    await mkdir(join(out, '0_kind'));
    await writeFile(join(out, '0_kind/000.png'), encodePng({ width: 2 * SIDE, height: SIDE, data: both }));
    const editor = madeBefore('theirs', out);
    expect(await editor.edit(edits[0]!, left)).toEqual(right);
    await expect(editor.edit(edits[1]!, left)).rejects.toThrow('theirs has no picture of 000000000001');
  });

  test('by a method start from the picture, at timesteps that begin at 0, and leave no tensor behind', async () => {
    const pipe = await StableDiffusionPipeline.load(
      withPublishedSteps(await openCheckpoint('test/fixtures/checkpoint')),
    );
    expect(pipe.scheduler.json).toMatchObject({ steps_offset: 0 });
    const [swap, longer] = await readPieBench(bench());
    const picture = await readPng(swap!.file);
    const quiet = (): void => {}; // The small checkpoint does not know all words.
    const before = tf.memory().numTensors;
    const swapped = await editorBy('direct', pipe, 2, quiet).edit(swap!, picture);
    const lengthened = await editorBy('negative-prompt', pipe, 2, quiet).edit(longer!, picture);
    expect(tf.memory().numTensors).toBe(before);
    expect([swapped.width, swapped.height]).toEqual([SIDE, SIDE]);
    expect(mse(swapped, lengthened)).toBeGreaterThan(0);
    pipe.dispose();
  });
});
