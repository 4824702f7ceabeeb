import { type GuidanceOption, guidancesOf } from '../guidance/combined';
import type { Sampler } from '../sampler/sampler';
import { isSamplerName, type SamplerName } from '../sampler/schedulers';
import type { SessionOptions } from '../session/options';
import { type RecordedSettings, RecordingError } from './description';

/** The options of a run that a recording keeps. */
type Options = Pick<
  SessionOptions,
  'seed' | 'steps' | 'guidance' | 'projectAbove' | 'negative' | 'sampler' | 'eta' | 'karras' | 'height' | 'width'
>;

/**
 * The settings given by a run's prompts and options; only what is given. The first prompt is the source's, and so is
 * the first negative prompt.
 */
export function settingsIn(
  [prompt]: readonly string[],
  { seed, negative, guidance, projectAbove, sampler, ...rest }: Options,
): Partial<RecordedSettings> {
  const { steps, eta, karras, height, width } = rest;
  const given = {
    prompt,
    negative: typeof negative === 'string' ? negative : negative?.[0],
    seed: seed?.toString(),
    steps,
    guidance: guidance === undefined ? undefined : nameOfGuidance(guidance),
    projectAbove,
    sampler: sampler && nameOfSampler(sampler),
    eta,
    karras,
    height,
    width,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** The options of a run with these settings, except for custom guidances and samplers. */
export function optionsFor({ prompt: _, seed, karras, guidance, sampler, ...rest }: RecordedSettings): Options {
  return {
    ...rest,
    seed: BigInt(seed),
    karras: karras ?? undefined,
    ...(typeof guidance === 'number' ? { guidance } : {}),
    ...(isSamplerName(sampler) ? { sampler } : {}),
  };
}

/** @throws RecordingError if the settings need a custom guidance or sampler and it was not given */
export function checkOwn(settings: RecordedSettings, given: Options, file: string): void {
  const made = optionsFor(settings);
  for (const name of ['guidance', 'sampler'] as const) {
    if ((made[name] ?? given[name]) === undefined)
      throw new RecordingError(
        `${file} was recorded with the ${name} ${settings[name]}, a custom one: pass the same as ${name}.`,
      );
  }
}

/** A scale as a number, with 1 for the prompt alone; else the guidances' names. */
function nameOfGuidance(guidance: GuidanceOption): number | string {
  if (typeof guidance === 'number') return Math.max(guidance, 1);
  return guidancesOf(guidance)
    .map(({ name }) => name)
    .join(' + ');
}

function nameOfSampler(sampler: SamplerName | Sampler): string {
  if (typeof sampler === 'string') return sampler;
  if (sampler.name) return sampler.name;
  throw new RangeError('A recording identifies samplers by their names: give yours a `name`.');
}
