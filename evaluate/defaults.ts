import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import type { Panel } from '../src/image/layout';
import { type Picture, toPictures } from '../src/image/picture';
import { chooseBackend } from '../src/node/backend';
import { openCheckpoint } from '../src/node/checkpoint';
import { drawFigure } from '../src/node/figure';
import type { RunOptions } from '../src/options';
import { StableDiffusionPipeline } from '../src/pipeline';
import { meanDifference } from './compare';
import { sideBySide } from './sideBySide';

/** Sources and their edits, of the kinds that people try first. */
export const EDITS: readonly (readonly [source: string, target: string])[] = [
  ['a cat riding a bicycle in a meadow', 'a dog riding a bicycle in a meadow'],
  ['a cat riding a bicycle in a meadow', 'a cat riding a motorcycle in a meadow'],
  ['a fox next to a tent in a forest', 'a panda next to a tent in a forest'],
  ['a castle on a mountain', 'a house on a mountain'],
  ['a pumpkin on a street', 'a cake on a street'],
  ['a rabbit in a desert', 'a rabbit in a desert at night'],
  ['a pig on a beach', 'a pig on a beach at sunset'],
  ['a motorcycle in a forest', 'a motorcycle in a snowy forest'],
  ['a car on the side of a street', 'a blue car on the side of a street'],
  ['a balloon in a meadow', 'a red balloon in a meadow'],
  ['a tree in a meadow', 'a blossom tree in a meadow'],
  ['a dog driving a car', 'a dog driving a car on a beach'],
];

/** The runs that the defaults must work for; each is measured with all edits. */
export const RUNS = [
  { sampler: 'ddim', steps: 50 },
  { sampler: 'dpm++', steps: 20 },
] as const satisfies readonly RunOptions[];

/** By how much the share of white pixels in an edit may exceed that in its source and its fresh picture. */
const BURNT = 0.02;

/** An edit with the default settings, and the pictures it is compared with. */
export interface Shown {
  readonly source: Picture;
  readonly edited: Picture;
  /** From the same noise, without injection. */
  readonly fresh: Picture;
}

export interface Finding {
  /** Mean absolute differences to the source, 0 to 255. */
  readonly edited: number;
  readonly fresh: number;
  /**
   * By how much the edit's share of white pixels exceeds the larger share of the other two pictures; may be negative.
   */
  readonly burnt: number;
  readonly good: boolean;
}

/** Whether an edit is nearer to its source than the fresh picture, and not burnt out. */
export function judge({ source, edited, fresh }: Shown): Finding {
  const everywhere = Array<boolean>(source.width * source.height).fill(true);
  const far = (picture: Picture): number => meanDifference(source, picture, everywhere)!;
  const burnt = whiteShare(edited) - Math.max(whiteShare(source), whiteShare(fresh));
  const distances = { edited: far(edited), fresh: far(fresh) };
  return { ...distances, burnt, good: distances.edited < distances.fresh && burnt <= BURNT };
}

/** The share of pixels whose channels are all at least 250 of 255. */
function whiteShare({ data }: Picture): number {
  let white = 0;
  for (let i = 0; i < data.length; i += 4) if (Math.min(data[i], data[i + 1], data[i + 2]) >= 250) white++;
  return white / (data.length / 4);
}

interface Options {
  readonly model: string;
  readonly backend: string;
  readonly out: string;
  /** Default: the model's. */
  readonly guidance?: readonly number[];
}

/** Makes and measures all edits, prints the findings and draws the pictures. @returns whether all of them are good */
export async function checkDefaults({ model, backend, out, guidance: asked }: Options): Promise<boolean> {
  await chooseBackend(backend);
  const pipeline = await StableDiffusionPipeline.load(await openCheckpoint(model));
  const panels: Panel[] = [];
  const findings: Finding[] = [];
  const scales = asked ?? [pipeline.defaults.guidance];
  for (const run of scales.flatMap((guidance) => RUNS.map((sampling) => ({ ...sampling, guidance })))) {
    console.log(`\n${run.steps} steps of ${run.sampler}, guidance ${run.guidance}`);
    for (const [source, target] of EDITS) {
      const shown = await edit(pipeline, source, target, run);
      const finding = judge(shown);
      findings.push(finding);
      panels.push(...panelsOf(shown, source, target));
      console.log(said(target, finding));
    }
  }
  pipeline.dispose();
  mkdirSync(out, { recursive: true });
  const bands = panels.flatMap((_, i) => (i % 6 === 0 ? [{ panels: panels.slice(i, i + 6) }] : []));
  writeFileSync(join(out, 'defaults.png'), drawFigure(bands, 128));
  const good = findings.filter((finding) => finding.good).length;
  console.log(`\n${good} of ${findings.length} are good. Pictures: ${join(out, 'defaults.png')}`);
  return good === findings.length;
}

/** @internal One edit at the pipeline's defaults. */
export async function edit(
  pipeline: StableDiffusionPipeline,
  source: string,
  target: string,
  run: RunOptions,
): Promise<Shown> {
  const { tokenizer, defaults } = pipeline;
  const controller = promptToPrompt({ tokenizer, prompts: [source, target], shares: defaults.shares });
  const generation = await pipeline.generate([source, target, target], {
    ...run,
    controller: sideBySide([controller, undefined]),
  });
  const [first, edited, fresh] = await toPictures(generation.images);
  tf.dispose([generation.images, generation.latents, generation.noise, generation.context]);
  return { source: first, edited, fresh };
}

function panelsOf({ source, edited, fresh }: Shown, prompt: string, target: string): Panel[] {
  const panel = (picture: Picture, note: string): Panel => ({ tiles: [{ picture }], notes: [note] });
  return [panel(source, prompt), panel(edited, target), panel(fresh, 'without injection')];
}

function said(target: string, { edited, fresh, burnt, good }: Finding): string {
  const distances = `${edited.toFixed(1)} from the source, without injection ${fresh.toFixed(1)}`;
  return `${good ? 'good' : 'BAD '}  ${target}: ${distances}; ${(100 * burnt).toFixed(1)} % more white pixels`;
}
