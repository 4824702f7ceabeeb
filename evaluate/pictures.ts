import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { type Picture, toPictures } from '../src/image/picture';
import { INVERSIONS, type InversionName } from '../src/inversion/names';
import { invert } from '../src/invert';
import { psnr } from '../src/metrics/similarity';
import type { StableDiffusionPipeline } from '../src/pipeline';
import { type Mask, meanDifference, not, withMargin } from './compare';
import { amount, changeOutside, FACTORS, shows } from './edits';
import { type Experiment, type Outcome, type Sample, sample } from './experiment';
import type { WEIGHTED } from './heldOut';
import { GRID } from './judge';
import { readRow } from './sheet';
import type { Seen, Studio } from './studio';

/** A picture and its edit, for which `training/held_out.py` rendered the true result: a row of `pictures.json`. */
interface Pair {
  readonly kind: (typeof KINDS)[number];
  readonly source: string;
  readonly target: string;
  /** What is new, as the judge names it; for an amount, the graded word, which should vanish. */
  readonly asked: string;
}

/** The rows of `pictures.png`, each with PAIRS pictures, each followed by its true edit. */
const KINDS = ['swap', 'place', 'time', 'colour', 'amount'] as const;
const PAIRS = 8;

/** Methods that take minutes per picture; they are measured on one in so many pictures. */
const SLOW: Partial<Record<InversionName, number>> = { 'null-text': 4 };

/** The measures of each method, in the order of the table's columns. */
export const MEASURES = ['reconstruction', 'outside', 'beside', 'recognised', 'distance', 'rows', 'seconds'] as const;
type Measure = (typeof MEASURES)[number];

/** What the methods are compared with: the autoencoder alone, the rendered edits, and edits of generated pictures. */
export const AUTOENCODER = 'the autoencoder alone';
export const TRUTH = 'the true edit';
export const GENERATED = 'a generated picture';

/** A picture to invert, its true edit, and its best possible reconstruction. */
interface Given {
  readonly pair: Pair;
  readonly before: Seen;
  readonly after: Seen;
  readonly encoded: Seen;
  readonly latents: tf.Tensor4D;
}

/** An edit and its cost. */
interface Edited {
  readonly source: Seen;
  readonly edit: Seen;
  readonly rows: number;
  readonly seconds: number;
}

/**
 * Held-out pictures inverted by every method with their captions, and edited at the model's own defaults, compared with
 * edits rendered by the world itself. A run is a picture; kinds of edits take turns.
 */
export const pictures: Experiment = {
  name: 'pictures',
  sheet: { columns: 2 + INVERSIONS.length, most: 10 * (2 + INVERSIONS.length) },
  runs: () => KINDS.length * PAIRS,
  async run(studio, index) {
    const given = await open(studio, index);
    const methods = INVERSIONS.filter((method) => index % (SLOW[method] ?? 1) === 0);
    const edited: Edited[] = [];
    for (const method of methods) edited.push(await editInverted(studio, given, method));
    given.latents.dispose();
    const generated = await editGenerated(studio, given.pair, index);
    const of = (name: string, measured: Partial<Record<Measure, number>>): Sample[] =>
      MEASURES.flatMap((measure) => sample(`${name}.${measure}`, index, measured[measure]));
    const samples = [
      of(AUTOENCODER, { reconstruction: psnr(given.encoded.picture, given.before.picture) }),
      of(TRUTH, { recognised: recognised(given.pair, given.before, given.after) }),
      of(GENERATED, {
        beside: beside(given.pair, generated),
        recognised: recognised(given.pair, generated.source, generated.edit),
      }),
      ...methods.map((method, i) => of(method, measuresOf(given, edited[i]))),
    ].flat();
    return { samples, panels: methods.length === INVERSIONS.length ? panelsOf(given, edited) : [] };
  },
};

async function open({ folder, judge, pipeline }: Studio, index: number): Promise<Given> {
  const [row, column] = [index % KINDS.length, Math.floor(index / KINDS.length)];
  const pairs = JSON.parse(readFileSync(join(folder, 'pictures.json'), 'utf8')) as Pair[];
  const all = await readRow(join(folder, 'pictures.png'), row, 2 * PAIRS);
  const both = tf.slice(all, [2 * column, 0, 0, 0], [2, -1, -1, -1]);
  const latents = tf.tidy(() => pipeline.toLatents(tf.slice(both, [0, 0, 0, 0], [1, -1, -1, -1])));
  const images = tf.tidy(() => tf.concat([both, pipeline.decode(latents)], 0) as tf.Tensor4D);
  const [before, after, encoded] = await see(judge, images);
  tf.dispose([all, both, images]);
  return { pair: pairs[row * PAIRS + column], before, after, encoded, latents };
}

async function see(judge: Studio['judge'], images: tf.Tensor4D): Promise<Seen[]> {
  const verdicts = await judge.look(images);
  return (await toPictures(images)).map((picture, i) => ({ picture, verdict: verdicts[i] }));
}

async function editInverted(
  { pipeline, judge, settings }: Studio,
  { pair, latents }: Given,
  method: InversionName,
): Promise<Edited> {
  const prompts = [pair.source, pair.target];
  const { tokenizer } = pipeline;
  const { shares, pictureGuidance: guidance } = settings;
  const started = performance.now();
  const [{ images, ...rest }, rows] = await countingRows(pipeline, async () => {
    const inversion = await invert(pipeline, latents, { prompt: pair.source, method, guidance });
    const edit = promptToPrompt({ tokenizer, prompts, shares, weights: weightsOf(pair) });
    const made = await pipeline.generate(prompts, inversion.options(edit));
    inversion.dispose();
    return made;
  });
  const seconds = (performance.now() - started) / 1000;
  const [source, edit] = await see(judge, images);
  tf.dispose([images, rest.latents, rest.noise, rest.context]);
  return { source, edit, rows, seconds };
}

/** The same edit of a picture generated by the model. */
async function editGenerated(studio: Studio, pair: Pair, index: number): Promise<Pick<Edited, 'source' | 'edit'>> {
  const edit = { prompt: pair.target, weights: weightsOf(pair) };
  const { source, edited } = await studio.edit(pair.source, [edit], 60_000 + index);
  return { source, edit: edited[0] };
}

/** Counts the rows that pass through the UNet during `work`. */
async function countingRows<T>({ unet }: StableDiffusionPipeline, work: () => Promise<T>): Promise<[T, number]> {
  const forward = unet.forward;
  let rows = 0;
  unet.forward = (latents, ...rest) => {
    rows += latents.shape[0];
    return forward.call(unet, latents, ...rest);
  };
  try {
    return [await work(), rows];
  } finally {
    unet.forward = forward;
  }
}

function weightsOf({ kind, asked }: Pair): Record<string, number> | undefined {
  return kind === 'amount' ? { [asked]: FACTORS[asked as (typeof WEIGHTED)[number]][0] } : undefined;
}

function measuresOf({ pair, before, after, encoded }: Given, edited: Edited): Partial<Record<Measure, number>> {
  return {
    reconstruction: psnr(edited.source.picture, before.picture),
    outside: meanDifference(encoded.picture, edited.edit.picture, unchanged(before.picture, after.picture)),
    beside: beside(pair, { ...edited, source: encoded }),
    recognised: recognised(pair, before, edited.edit),
    distance: psnr(edited.edit.picture, after.picture),
    rows: edited.rows,
    seconds: edited.seconds,
  };
}

/** Where the true edit changes nothing, with a margin. */
function unchanged(before: Picture, after: Picture): Mask {
  const zoom = before.width / GRID;
  const changed = new Array<boolean>(GRID ** 2).fill(false);
  before.data.forEach((value, i) => {
    const [x, y] = [(i >> 2) % before.width, Math.floor((i >> 2) / before.width)];
    if (value !== after.data[i]) changed[Math.floor(y / zoom) * GRID + Math.floor(x / zoom)] = true;
  });
  return not(withMargin(changed));
}

/** For edits that should change only a thing: the change outside things, as for generated pictures. */
function beside({ kind }: Pair, { source, edit }: Pick<Edited, 'source' | 'edit'>): number | undefined {
  return kind === 'swap' || kind === 'colour' ? changeOutside(source, edit) : undefined;
}

/** Whether the judge finds what was asked for, 0 or 1; for an amount, whether less than half of it is left. */
function recognised({ kind, asked }: Pair, before: Seen, { verdict }: Seen): number | undefined {
  if (kind === 'swap') return Number(verdict.things.has(asked));
  if (kind !== 'amount') return Number(shows(verdict, kind, asked));
  const word = asked as (typeof WEIGHTED)[number];
  const whole = amount(word, before.verdict);
  return whole === 0 ? undefined : Number(amount(word, verdict) < whole / 2);
}

function panelsOf({ pair, before, after }: Given, edited: readonly Edited[]): Outcome['panels'] {
  return [
    { tiles: [{ picture: before.picture }], notes: [pair.source] },
    { tiles: [{ picture: after.picture }], notes: [`true edit: ${pair.target}`] },
    ...edited.map(({ edit }, i) => ({ tiles: [{ picture: edit.picture }], notes: [INVERSIONS[i]] })),
  ];
}
