import * as tf from '@tensorflow/tfjs';
import type { Mask } from '../../edits/prompt-to-prompt/givenMask';
import { changeMask, feather, maskPicture, toMask } from '../../image/mask';
import { odditiesOf } from '../../image/oddities';
import { enlarge, fromPictures, type Picture } from '../../image/picture';
import {
  type Fit,
  fitMask,
  fitPicture,
  type Placement,
  place,
  putBack,
  sameSize,
  sizeInWords,
  toMultiples,
} from '../../image/placement';
import type { Size } from '../../image/resample';
import { type InversionName, samplerFor } from '../../inversion/names';
import { type Inversion, invert } from '../../invert';
import type { StableDiffusionPipeline } from '../../pipeline';
import { encodePng } from '../png';
import { nameOf } from '../readBytes';
import { readPicture } from '../readPicture';
import { naming, UsageError } from './errors';
import type { Run } from './run';
import { type InvertSettings, MAX_SIDE } from './settings';
import type { RunSettings } from './settle';

/** The settings for a picture of the user's own. */
type PictureSettings = RunSettings & Pick<InvertSettings, 'inversion' | 'inversionIterations' | 'fit'>;

/** A picture of the user's own, at its original size and at the model's. */
export interface OwnPicture {
  readonly original: Picture;
  readonly fitted: Picture;
  readonly placement: Placement;
}

/** What to do about what a fit does to a picture of another shape. */
const OTHER_FIT: Readonly<Record<Fit, string>> = {
  cover: ' --fit contain takes all of it.',
  contain: ' --fit cover fills it, and crops.',
  stretch: ' --fit cover crops it instead.',
};

/** How far the channels of grey may differ, of 255. */
const MOST_SPREAD = 32;

const ITERATED: readonly InversionName[] = ['null-text', 'fixed-point'];

/**
 * Reads a picture and fits it to the model's size, or to the requested size; if only one side is given, the other
 * follows from the picture's aspect ratio.
 *
 * @throws UsageError that names the file if it is no picture
 */
export async function openPicture(
  file: string,
  { fit, height, width }: Pick<PictureSettings, 'fit' | 'height' | 'width'>,
  pipeline: StableDiffusionPipeline,
  warn: (message: string) => void,
): Promise<OwnPicture> {
  const { picture: original, notes } = await readPicture(file).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  for (const note of notes) warn(`${nameOf(file)} is ${note}.`);
  const { defaultSize, vae } = pipeline;
  const asked = {
    width: width ?? (height && (height * original.width) / original.height),
    height: height ?? (width && (width * original.height) / original.width),
  };
  const size = toMultiples(
    { width: asked.width ?? defaultSize.width, height: asked.height ?? defaultSize.height },
    vae.pixelsPerLatent,
  );
  for (const [side, given] of [
    ['width', 'height'],
    ['height', 'width'],
  ] as const)
    if (size[side] > MAX_SIDE)
      throw new UsageError(
        `--${given} ${size[given]}: the ${side} that follows for ${nameOf(file)} (${sizeInWords(original)}) is ${size[side]}, and ${MAX_SIDE} is the most. Give --${side} too.`,
      );
  const placement = place(original, size, fit);
  for (const { text, fit } of odditiesOf(placement)) warn(`${nameOf(file)} ${text}${fit ? OTHER_FIT[fit] : ''}`);
  return { original, fitted: fitPicture(original, placement), placement };
}

/**
 * Rejects options that do not apply to a picture of the user's own, or only to one.
 *
 * @throws UsageError naming the option
 */
export function checkPictureSettings(
  settings: PictureSettings & { readonly image?: string; readonly recording?: string },
  given: Readonly<Record<string, unknown>>,
): void {
  const { image, inversion = 'direct', inversionIterations, eta, recording } = settings;
  if (image === undefined) {
    for (const [name, option] of [
      ['inversion', '--inversion'],
      ['inversionIterations', '--inversion-iterations'],
      ['fit', '--fit'],
    ] as const)
      if (settings[name] !== undefined)
        throw new UsageError(`${option} is for a picture of your own: give one with --image, or leave this out.`);
    return;
  }
  if (recording !== undefined)
    throw new UsageError('--image: with --recording the picture is the recorded one. Give one of the two.');
  if (inversionIterations !== undefined && !ITERATED.includes(inversion))
    throw new UsageError(`--inversion-iterations are for ${ITERATED.join(' and ')}, not for ${inversion}.`);
  if (eta)
    throw new UsageError(
      '--eta: steps that add fresh noise do not lead back to a picture; --inversion edit-friendly finds the noise that does.',
    );
  if (given.seed !== undefined && inversion !== 'edit-friendly')
    throw new UsageError(
      `--seed: ${inversion} inversion finds the noise of the picture. Only edit-friendly draws random noise.`,
    );
  const { sampler } = settings;
  if (sampler !== undefined && samplerFor(inversion, { sampler }) !== sampler)
    throw new UsageError(`--sampler ${sampler}: ${inversion} inversion works only with ddim.`);
}

/** Takes the picture to noise. The caller disposes of the inversion. @throws UsageError for what the method cannot do */
export async function invertPicture(
  run: Run,
  pipeline: StableDiffusionPipeline,
  { fitted }: OwnPicture,
  prompt: string,
  { inversion: method = 'direct', inversionIterations: iterations }: PictureSettings,
  more: Parameters<typeof invert>[2] = {},
): Promise<Inversion> {
  const { steps, sampler, karras, guidance, projectAbove, negative, seed } = run.settings;
  if (prompt === '') run.warn('Without a prompt for the picture, an edit has no words to keep or replace.');
  const latents = tf.tidy(() => pipeline.toLatents(fromPictures([fitted])));
  try {
    return await invert(pipeline, latents, {
      prompt,
      method,
      iterations,
      steps,
      sampler,
      karras,
      guidance,
      projectAbove,
      negative,
      seed,
      ...run.circumstances,
      ...more,
      onProgress: async (progress) => {
        const task = progress.task === 'inverting' ? 'Inverting' : 'Optimising';
        const loss = progress.loss === undefined ? '' : `, loss ${progress.loss.toExponential(1)}`;
        run.progress.show(task, progress.step + 1, progress.steps, `steps${loss}`);
        await more.onProgress?.(progress);
      },
    });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--inversion ${method}: ${error.message}`) : error;
  } finally {
    latents.dispose();
  }
}

/**
 * Reads a mask that was drawn over the placement's original. It warns of what is hardly meant: transparency, colours,
 * another aspect ratio, a mask that is white everywhere.
 *
 * @throws UsageError that names the file if it is no picture, or black wherever the fitted picture is
 */
export async function openMask(
  file: string,
  featherBy: number | undefined,
  placement: Placement,
  warn: (message: string) => void,
): Promise<Mask> {
  const { picture, notes } = await naming('--mask', () => readPicture(file));
  for (const note of notes) warn(`${nameOf(file)} is ${note}.`);
  if (isColoured(picture))
    warn(
      `${nameOf(file)} is coloured: the edit may change a place as far as it is bright. Paint white, grey and black.`,
    );
  const { original } = placement;
  if (!sameShape(picture, original))
    warn(
      `${nameOf(file)} is ${sizeInWords(picture)}, and the picture ${sizeInWords(original)}: the mask is stretched over it. Draw it over a picture of that shape.`,
    );
  const mask = feather(fitMask(toMask(picture), placement), featherBy ?? 0);
  if (mask.data.every((share) => share === 0))
    throw new UsageError(`--mask: ${nameOf(file)} is black: nothing may change. Paint white where the edit may be.`);
  if (mask.data.every((share) => share === 1))
    warn(`${nameOf(file)} is white everywhere: it keeps nothing as it is. Paint black what must not change.`);
  return mask;
}

/** Whether channels differ by more than what a JPEG of a grey picture loses. */
function isColoured({ data }: Picture): boolean {
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = data.subarray(at, at + 3);
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > MOST_SPREAD) return true;
  }
  return false;
}

/** Whether the aspect ratios are the same, but for a rounding of the sides by up to a pixel. */
function sameShape(a: Size, b: Size): boolean {
  return Math.abs(a.width * b.height - b.width * a.height) <= Math.max(a.width, a.height, b.width, b.height);
}

/** Keeps the last region of an edit's words. */
export class LastRegion {
  private region?: tf.Tensor4D;

  readonly keep = (region: tf.Tensor4D): void => {
    this.region?.dispose();
    this.region = tf.keep(region.clone());
  };

  /** For each target, where it could change, at the size of the pictures; none if there was no region. */
  async pictures(size: { readonly width: number }, mask?: Mask): Promise<Picture[]> {
    if (!this.region) return [];
    const [prompts, height, width] = this.region.shape;
    const values = await this.region.data<'float32'>();
    this.region.dispose();
    const factor = size.width / width;
    const pixels = height * width;
    return Array.from({ length: prompts - 1 }, (_, i) => {
      const data = values.slice((i + 1) * pixels, (i + 2) * pixels);
      const picture = enlarge(maskPicture({ width, height, data }), factor);
      return mask ? darker(picture, maskPicture(mask)) : picture;
    });
  }
}

function darker(a: Picture, b: Picture): Picture {
  return { ...a, data: a.data.map((value, i) => Math.min(value, b.data[i])) };
}

/** The edits at the original's size if it differs; where nothing changed, they have the original's own pixels. */
export function atOriginalSize(
  { original, placement }: OwnPicture,
  source: Picture,
  edits: readonly Picture[],
): Picture[] {
  const { fitted } = placement;
  if (sameSize(original, fitted)) return [];
  return edits.map((edit) => putBack(original, edit, feather(changeMask(source, edit), fitted.width / 32), placement));
}

export async function writePictures(
  run: Run,
  name: (i: number) => string,
  pictures: readonly Picture[],
): Promise<void> {
  for (const [i, picture] of pictures.entries()) await run.write(name(i + 1), encodePng(picture));
}
