import { FACTORS, SHARES } from './edits';
import type { Sample } from './experiment';
import { ADDED, isOnAThing, ON_A_THING } from './heldOut';
import { bootstrap, type Estimate, grows, mean, wilson } from './statistics';

/** A figure, and the value it should have. */
export interface Figure extends Estimate {
  readonly part: string;
  readonly what: string;
  readonly unit: '%' | 'dB' | 'x' | '/255';
  readonly aim?: { readonly least: number } | { readonly most: number };
  /** The numbers from which it is computed. */
  readonly detail?: string;
}

/**
 * A point of the plot: for a share of the run with injection, how often swaps' new objects are recognised, and how much
 * changes outside the things.
 */
export interface Point {
  readonly share: number;
  readonly recognised: Estimate;
  /** 0 to 255. */
  readonly outside: Estimate;
}

interface Definition extends Pick<Figure, 'part' | 'what' | 'unit' | 'aim'> {
  /** The samples' name. */
  readonly of: string;
  estimate(samples: readonly Sample[]): Estimate;
  detail?(samples: readonly Sample[]): string;
}

const DEFINITIONS: readonly Definition[] = [
  {
    ...average('Pictures', 'psnr', 'Held-out pictures through the autoencoder and back: PSNR', 'dB'),
    aim: { least: 30 },
  },
  ...(
    [
      ['newCaptions', 'new captions'],
      ['neverSeen', 'combinations never seen'],
    ] as const
  ).flatMap(([set, name]) => [
    share('Pictures', `${set}.object`, `Objects found, ${name}`, set === 'newCaptions' ? 0.96 : undefined),
    share('Pictures', `${set}.place`, `Place found, ${name}`, set === 'newCaptions' ? 0.97 : undefined),
    share('Pictures', `${set}.colour`, `Colour found, ${name}`, set === 'newCaptions' ? 0.95 : 0.8),
    share('Pictures', `${set}.time`, `Time of day found, ${name}`, set === 'newCaptions' ? 0.98 : undefined),
  ]),
  share('Attention', 'newCaptions.noun', 'Nouns that look most at their object (pointing game), new captions', 0.85),
  share('Attention', 'neverSeen.noun', 'The same, combinations never seen'),
  share('Attention', 'newCaptions.ground', 'Places and *snowy* that look most beside the objects, new captions', 0.85),
  share('Attention', 'neverSeen.ground', 'The same, combinations never seen'),
  recognition('Word swaps', 'swaps.recognised', 'New object recognised with injection, relative to without', 0.92),
  preservation('Word swaps', 'swaps.outside', 'Change outside the objects without injection, relative to with', 255, 4),
  recognition(
    'Word swaps',
    'swaps.maps alone.recognised',
    "New object recognised, the paper's injection of maps alone",
  ),
  preservation(
    'Word swaps',
    'swaps.maps alone.outside',
    "Change outside the objects, the paper's injection of maps alone",
    255,
  ),
  ...ON_A_THING.flatMap((kind) => [
    recognition(
      'Word swaps',
      `swapped.${kind}.recognised`,
      `New ${kind} recognised with injection, relative to without`,
      0.92,
    ),
    preservation(
      'Word swaps',
      `swapped.${kind}.outside`,
      'Change outside the objects without injection, relative to with',
      255,
      4,
    ),
  ]),
  ...ADDED.flatMap((kind) => [
    recognition(
      'Added phrases',
      `added.${kind}.recognised`,
      `Added ${kind} recognised with injection, relative to without`,
      kind === 'style' ? 0.85 : 0.95,
    ),
    preservation(
      'Added phrases',
      `added.${kind}.change`,
      isOnAThing(kind)
        ? 'Change outside the objects without injection, relative to with'
        : "Change of the objects' shapes without injection, relative to with",
      isOnAThing(kind) ? 255 : 1,
      3,
    ),
    ...(isOnAThing(kind)
      ? []
      : [
          average(
            'Added phrases',
            `true.${kind}`,
            `Change of the objects' shapes that the judge sees where a ${kind} was truly added, in renderings`,
            '%',
          ),
        ]),
  ]),
  ...ON_A_THING.flatMap((kind) => [
    recognition(
      'Added phrases',
      `added.${kind}.blend.recognised`,
      `Added ${kind} recognised with injection and local blend, relative to without either`,
      0.85,
    ),
    preservation(
      'Added phrases',
      `added.${kind}.blend.change`,
      'Change outside the objects without either, relative to with both',
      255,
      3,
    ),
  ]),
  ...(
    [
      ['snowy', 'snow'],
      ['blossom', 'blossom'],
      ['fluffy', 'fluff'],
    ] as const
  ).flatMap(([word, grown]) => {
    const factors = `*${word}* × ${FACTORS[word].join(', ').replaceAll('-', '−')}`;
    return [
      growth(`weighted.${word}`, `${factors}: ${grown} grows`, 0.9),
      growth(`true.${word}`, `The judge sees ${grown} grow in renderings with 0, 25, 50, 75, 100 % of it`),
    ];
  }),
  recognition(
    'Local blend',
    'blend.recognised',
    'New object recognised with injection and blend, relative to without either',
    0.85,
  ),
  preservation(
    'Local blend',
    'blend.change',
    'Change outside the objects without either, relative to with both',
    255,
    3,
  ),
  {
    ...average('Local blend', 'blend.outside', 'Mean change outside the region of the swap', '/255'),
    aim: { most: 1 },
  },
];

/** All figures for which there are samples. */
export function figuresOf(samples: readonly Sample[]): Figure[] {
  return DEFINITIONS.flatMap(({ of, estimate, detail, ...definition }) => {
    const own = samples.filter(({ figure }) => figure === of);
    return own.length === 0 ? [] : [{ ...definition, ...estimate(own), detail: detail?.(own) }];
  });
}

/** Whether a figure meets its aim; undefined if it has none. */
export function isMet({ value, aim }: Figure): boolean | undefined {
  return aim && ('least' in aim ? value >= aim.least : value <= aim.most);
}

export function curveOf(samples: readonly Sample[]): Point[] {
  return SHARES.flatMap((share) => {
    const own = samples.filter(({ figure }) => figure === `swaps.at ${share}`);
    return own.length === 0
      ? []
      : [
          {
            share,
            recognised: wilson(column(own, 0).map(Boolean)),
            outside: bootstrap(grouped(own), (drawn) => mean(column(drawn, 1))),
          },
        ];
  });
}

function share(part: string, of: string, what: string, least?: number): Definition {
  return {
    part,
    of,
    what,
    unit: '%',
    ...atLeast(least),
    estimate: (samples) => wilson(column(samples, 0).map(Boolean)),
  };
}

/** From samples [with, without]: the rate of recognition with, divided by that without. */
function recognition(part: string, of: string, what: string, least?: number): Definition {
  return {
    part,
    of,
    what,
    unit: 'x',
    ...atLeast(least),
    estimate: (samples) => bootstrap(grouped(samples), (drawn) => mean(column(drawn, 0)) / mean(column(drawn, 1))),
    detail: (samples) => `${percent(mean(column(samples, 0)))} with, ${percent(mean(column(samples, 1)))} without`,
  };
}

/** From samples [with, without]: the change without, divided by that with. */
function preservation(part: string, of: string, what: string, scale: 1 | 255, least?: number): Definition {
  const show = (value: number): string => (scale === 1 ? percent(value) : `${value.toFixed(1)}/255`);
  return {
    part,
    of,
    what,
    unit: 'x',
    ...atLeast(least),
    estimate: (samples) => bootstrap(grouped(samples), (drawn) => mean(column(drawn, 1)) / mean(column(drawn, 0))),
    detail: (samples) => `${show(mean(column(samples, 0)))} with, ${show(mean(column(samples, 1)))} without`,
  };
}

/** From samples of several amounts: the share of those that grow. */
function growth(of: string, what: string, least?: number): Definition {
  return {
    part: 'Re-weighting',
    of,
    what,
    unit: '%',
    ...atLeast(least),
    estimate: (samples) => wilson(samples.map(({ values }) => grows(values))),
    detail: (samples) =>
      `${samples[0].values.map((_, i) => percent(mean(column(samples, i)))).join(', ')} of the picture`,
  };
}

/** The aim, if a figure has one. */
function atLeast(least: number | undefined): Pick<Definition, 'aim'> {
  return least === undefined ? {} : { aim: { least } };
}

function average(part: string, of: string, what: string, unit: Figure['unit']): Definition {
  return {
    part,
    of,
    what,
    unit,
    estimate: (samples) => bootstrap(grouped(samples), (drawn) => mean(column(drawn, 0))),
  };
}

function column(samples: readonly Sample[], index: number): number[] {
  return samples.map(({ values }) => values[index]);
}

function grouped(samples: readonly Sample[]): Sample[][] {
  const groups = new Map<number, Sample[]>();
  for (const sample of samples) groups.set(sample.group, [...(groups.get(sample.group) ?? []), sample]);
  return [...groups.values()];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
