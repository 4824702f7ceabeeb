import type { Panel } from '../src/image/layout';
import { apart, either, grown, meanDifference, not } from './compare';
import { CONTROLS, type Control } from './controls';
import { type Experiment, type Sample, sample } from './experiment';
import { ADDED, WEIGHTED } from './heldOut';
import type { Verdict } from './judge';
import type { Drawn, Edit, Studio } from './studio';

/** The injected shares of the run at which the first sources' swaps are made, for the plot. */
export const SHARES = [0, 0.2, 0.4, 0.6, 0.8, 1];
/** How many sources' swaps are in the plot. */
const MORE = 20;

/**
 * One word swapped for another: afresh from the same noise, with injection, with that of maps alone, and with injection
 * and local blend.
 */
export const swaps: Experiment = {
  name: 'swaps',
  sheet: { columns: 9, most: 72 },
  runs: ({ swaps }) => swaps.length,
  async run(studio, index) {
    const { source, targets } = studio.heldOut.swaps[index];
    const usual = studio.settings.cross;
    const shares = index < MORE ? [...new Set([...SHARES, usual])] : [0, usual];
    const control = controlOf('swap', studio);
    const edits = targets.flatMap(({ text, swap: [from, to] }) => [
      ...shares.map((share): Edit => ({ prompt: text, share, control })),
      { prompt: text, share: usual, control: { ...control, context: 0 } },
      { prompt: text, share: usual, control, blend: [{ source: from, target: to }] },
    ]);
    const drawn = await studio.edit(source, edits, 30_000 + index);
    const perTarget = edits.length / targets.length;
    const samples = targets.flatMap(({ swap: [, to] }, i) => {
      const edited = drawn.edited.slice(i * perTarget, (i + 1) * perTarget);
      const at = (share: number): Drawn => edited[shares.indexOf(share)];
      const mapsAlone = edited[perTarget - 2];
      const recognised = (share: number): number => Number(at(share).verdict.things.has(to));
      const outside = (share: number): number | undefined => changeOutside(drawn.source, at(share));
      return [
        sample('swaps.recognised', index, recognised(usual), recognised(0)),
        sample('swaps.outside', index, outside(usual), outside(0)),
        sample('swaps.maps alone.recognised', index, Number(mapsAlone.verdict.things.has(to)), recognised(0)),
        sample('swaps.maps alone.outside', index, changeOutside(drawn.source, mapsAlone), outside(0)),
        ...(index < MORE
          ? SHARES.map((share) => sample(`swaps.at ${share}`, index, recognised(share), outside(share)))
          : []),
        ...blendSamples(index, drawn.source, edited[perTarget - 1], at(0), to),
      ].flat();
    });
    const panels = targets.flatMap(({ text }, i): Panel[] => [
      panel(drawn.source, i === 0 ? source : ''),
      panel(drawn.edited[i * perTarget + shares.indexOf(usual)], text),
      panel(drawn.edited[i * perTarget], 'without injection'),
    ]);
    return { samples, panels };
  },
};

/** What local blend adds to an edit. */
function blendSamples(index: number, source: Drawn, blended: Drawn, without: Drawn, to: string): Sample[] {
  const recognised = [blended, without].map(({ verdict }) => Number(verdict.things.has(to)));
  return [
    sample('blend.recognised', index, ...recognised),
    sample('blend.change', index, changeOutside(source, blended), changeOutside(source, without)),
    sample('blend.outside', index, changeOutsideBlend(source, blended)),
  ].flat();
}

/** A place, a time or a colour added: with injection, and afresh from the same noise; a colour with local blend too. */
function additions(kind: (typeof ADDED)[number], firstSeed: number): Experiment {
  return {
    name: `added ${kind}`,
    sheet: kind === 'colour' ? { columns: 7, most: 56 } : { columns: 5, most: 40 },
    runs: ({ added }) => added[kind].length,
    async run(studio, index) {
      const { source, targets } = studio.heldOut.added[kind][index];
      const [control, { cross }] = [controlOf(kind, studio), studio.settings];
      const edits = targets.flatMap(({ text, asked }): Edit[] => {
        const edit = { prompt: text, share: cross, control };
        if (kind !== 'colour') return [edit, { ...edit, share: 0 }];
        const noun = asked.split(' ')[1]; // What an added word speaks of is no longer what it was.
        return [
          { ...edit, ownMeaning: [noun] },
          { ...edit, share: 0 },
          { ...edit, ownMeaning: [noun], blend: [{ source: noun, target: asked }] },
        ];
      });
      const perTarget = edits.length / targets.length;
      const drawn = await studio.edit(source, edits, firstSeed + index);
      const samples = targets.flatMap(({ asked }, i) => {
        const [withInjection, without, ...blended] = drawn.edited.slice(i * perTarget, (i + 1) * perTarget);
        const pair = [withInjection, without];
        const recognised = pair.map(({ verdict }) =>
          Number(kind === 'colour' ? verdict.colours.has(asked) : verdict[kind] === asked),
        );
        // A place and a time change the background, and are to leave things as they were; a colour the other way round.
        const change = pair.map((edited) =>
          kind === 'colour'
            ? changeOutside(drawn.source, edited)
            : apart(drawn.source.verdict.occupied, edited.verdict.occupied),
        );
        return [
          sample(`added.${kind}.recognised`, index, ...recognised),
          sample(`added.${kind}.change`, index, ...change),
          ...blended.flatMap((edited) => [
            sample('added.colour.blend.recognised', index, Number(edited.verdict.colours.has(asked)), recognised[1]),
            sample('added.colour.blend.change', index, changeOutside(drawn.source, edited), change[1]),
          ]),
        ].flat();
      });
      const notes = (text: string): string[] => [text, 'without injection', 'with local blend'].slice(0, perTarget);
      const panels = [
        panel(drawn.source, source),
        ...targets.flatMap(({ text }, i) => notes(text).map((note, k) => panel(drawn.edited[i * perTarget + k], note))),
      ];
      return { samples, panels };
    },
  };
}

export const added: readonly Experiment[] = ADDED.map((kind, i) => additions(kind, 40_000 + 1000 * i));

/** What each graded word is turned by, which all have 1 among them, and what it makes more or less of. */
export const FACTORS = {
  snowy: [-1, 0, 0.5, 1, 2],
  blossom: [-2, 0, 0.5, 0.875, 1],
  fluffy: [0.5, 0.75, 1, 1.25, 1.5],
} as const;
const AMOUNT = { snowy: 'snow', blossom: 'blossom', fluffy: 'fluff' } as const;

/** Of how many of the judge's pixels there is what a graded word speaks of. */
export function amount(word: (typeof WEIGHTED)[number], { pixels }: Verdict): number {
  return pixels.filter((pixel) => pixel === AMOUNT[word]).length;
}

/**
 * A graded word's attention multiplied by five factors, all else injected: how many pixels are snow, blossom or fluff?
 */
function reweighting(word: (typeof WEIGHTED)[number], firstSeed: number): Experiment {
  const factors: readonly number[] = FACTORS[word];
  return {
    name: `weighted ${word}`,
    sheet: { columns: factors.length, most: 40 },
    runs: ({ weighted }) => weighted[word].length,
    async run(studio, index) {
      const prompt = studio.heldOut.weighted[word][index];
      const others = factors.filter((factor) => factor !== 1);
      const given = { prompt, share: studio.settings.cross, control: controlOf('weight', studio) };
      const drawn = await studio.edit(
        prompt,
        others.map((factor) => ({ ...given, weights: { [word]: factor } })),
        firstSeed + index,
      );
      const series = factors.map((factor) => (factor === 1 ? drawn.source : drawn.edited[others.indexOf(factor)]));
      const amounts = series.map(({ verdict }) => amount(word, verdict));
      return {
        samples: sample(`weighted.${word}`, index, ...amounts),
        panels: series.map((each, i) => panel(each, `${factors[i]} × ${amounts[i]}, ${prompt}`)),
      };
    },
  };
}

export const weighted: readonly Experiment[] = WEIGHTED.map((word, i) => reweighting(word, 50_000 + 1000 * i));

function controlOf(kind: keyof typeof CONTROLS, { settings }: Studio): Control {
  return { ...CONTROLS[kind], ...settings.control };
}

/**
 * The mean difference, 0 to 255, where neither picture has a thing: outside of both masks, grown by one of the judge's
 * pixels.
 */
function changeOutside(source: Drawn, edited: Drawn): number | undefined {
  return meanDifference(
    source.picture,
    edited.picture,
    not(grown(either(source.verdict.occupied, edited.verdict.occupied))),
  );
}

/**
 * The mean difference, 0 to 255, where local blend left the latents as they were, two places away from where it did
 * not: the decoder's convolutions look at the neighbours of each latent.
 */
function changeOutsideBlend(source: Drawn, blended: Drawn): number | undefined {
  const places = 16 ** 2;
  const channels = source.latents.length / places;
  const inside = Array.from({ length: places }, (_, place) => {
    const at = (latents: Float32Array): string => latents.subarray(place * channels, (place + 1) * channels).join();
    return at(source.latents) !== at(blended.latents);
  });
  return meanDifference(source.picture, blended.picture, not(grown(grown(inside))));
}

function panel({ picture }: Drawn, note: string): Panel {
  return { tiles: [{ picture }], notes: note ? [note] : [] };
}
