import type { RunOptions } from '../pipeline';
import type { RecordedSettings } from './description';

/** Those of a run's options that a recording keeps; none for what is not given. */
type Options = Pick<
  RunOptions,
  'seed' | 'steps' | 'guidance' | 'negative' | 'sampler' | 'eta' | 'karras' | 'height' | 'width'
>;

/**
 * The settings that a run's prompts and options give. The first prompt is the source, and so is the first negative one.
 */
export function settingsIn(
  [prompt]: readonly string[],
  { seed, negative, ...rest }: Options,
): Partial<RecordedSettings> {
  const { steps, guidance, sampler, eta, karras, height, width } = rest;
  const given = {
    prompt,
    negative: typeof negative === 'string' ? negative : negative?.[0],
    seed: seed?.toString(),
    steps,
    guidance,
    sampler,
    eta,
    karras,
    height,
    width,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** The options that make a run of these settings. */
export function optionsFor({ prompt: _, seed, karras, ...rest }: RecordedSettings): Options {
  return { ...rest, seed: BigInt(seed), karras: karras ?? undefined };
}
