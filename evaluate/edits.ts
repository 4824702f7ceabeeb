import type { Shares } from '../src/edits/prompt-to-prompt/shares';
import type { Panel } from '../src/image/layout';
import { apart, either, grown, meanDifference, not, withMargin } from './compare';
import { type Experiment, sample } from './experiment';
import { ADDED, isOnAThing, ON_A_THING, WEIGHTED } from './heldOut';
import type { Verdict } from './judge';
import type { Drawn, Edit, Seen } from './studio';

/** The shares of the run with injection at which the first sources' swaps are made, for the plot. */
export const SHARES = [0, 0.2, 0.4, 0.6, 0.8, 1];
/** How many sources the plot uses. */
const MORE = 20;

/**
 * One word swapped for another: with injection, without it from the same noise, with injection of the maps alone, and
 * with injection and local blend.
 */
export const swaps: Experiment = {
  name: 'swaps',
  sheet: { columns: 9, most: 72 },
  runs: ({ swaps }) => swaps.length,
  async run(studio, index) {
    const { source, targets } = studio.heldOut.swaps[index];
    const injected = SHARES.filter((share) => share > 0 && index < MORE);
    const edits = targets.flatMap(({ text: prompt, swap: [from, to] }): Edit[] => [
      { prompt },
      { prompt, afresh: true },
      { prompt, shares: { context: 0 } },
      { prompt, blend: [{ source: from, target: to }] },
      ...injected.map((share) => ({ prompt, shares: upTo(share, studio.settings.shares.replace) })),
    ]);
    const drawn = await studio.edit(source, edits, 30_000 + index);
    const perTarget = edits.length / targets.length;
    const samples = targets.flatMap(({ swap: [, to] }, i) => {
      const [edited, without, mapsAlone, blended, ...partly] = drawn.edited.slice(i * perTarget, (i + 1) * perTarget);
      const recognised = ({ verdict }: Drawn): number => Number(verdict.things.has(to));
      const outside = (edit: Drawn): number | undefined => changeOutside(drawn.source, edit);
      const curve = index < MORE ? [without, ...partly] : [];
      return [
        sample('swaps.recognised', index, recognised(edited), recognised(without)),
        sample('swaps.outside', index, outside(edited), outside(without)),
        sample('swaps.maps alone.recognised', index, recognised(mapsAlone), recognised(without)),
        sample('swaps.maps alone.outside', index, outside(mapsAlone), outside(without)),
        ...curve.map((edit, k) => sample(`swaps.at ${SHARES[k]}`, index, recognised(edit), outside(edit))),
        sample('blend.recognised', index, recognised(blended), recognised(without)),
        sample('blend.change', index, outside(blended), outside(without)),
        sample('blend.outside', index, changeOutsideBlend(drawn.source, blended)),
      ].flat();
    });
    const panels = targets.flatMap(({ text }, i): Panel[] => [
      panel(drawn.source, i === 0 ? source : ''),
      panel(drawn.edited[i * perTarget], text),
      panel(drawn.edited[i * perTarget + 1], 'without injection'),
    ]);
    return { samples, panels };
  },
};

/** An edit's shares, scaled by one factor so that cross-attention is injected up to the share `cross` of the run. */
export function upTo(cross: number, usual: Shares): Shares {
  const end = (share: Shares[keyof Shares]): number => (typeof share === 'number' ? share : share[1]);
  const scaled = (share: Shares[keyof Shares]): number =>
    Math.min(1, Number(((end(share) * cross) / end(usual.cross)).toFixed(3)));
  return { cross, self: scaled(usual.self), context: scaled(usual.context) };
}

/** Something added: with injection, and without it from the same noise; if it is on a thing, also with local blend. */
function additions(kind: (typeof ADDED)[number], firstSeed: number): Experiment {
  return {
    name: `added ${kind}`,
    sheet: isOnAThing(kind) ? { columns: 7, most: 56 } : { columns: 5, most: 40 },
    runs: ({ added }) => added[kind]?.length ?? 0,
    async run(studio, index) {
      const { source, targets } = studio.heldOut.added[kind]![index];
      const edits = targets.flatMap(({ text: prompt, asked }): Edit[] => {
        const [edit, afresh] = [{ prompt }, { prompt, afresh: true }];
        const noun = asked.split(' ')[1];
        return isOnAThing(kind) ? [edit, afresh, { prompt, blend: [{ source: noun, target: asked }] }] : [edit, afresh];
      });
      const perTarget = edits.length / targets.length;
      const drawn = await studio.edit(source, edits, firstSeed + index);
      const samples = targets.flatMap(({ asked }, i) => {
        const [withInjection, without, ...blended] = drawn.edited.slice(i * perTarget, (i + 1) * perTarget);
        const pair = [withInjection, without];
        const recognised = pair.map(({ verdict }) => Number(shows(verdict, kind, asked)));
        // Changes of the whole picture change the background but should leave the things' shapes; changes of a thing
        // the reverse.
        const change = pair.map((edited) =>
          isOnAThing(kind)
            ? changeOutside(drawn.source, edited)
            : apart(drawn.source.verdict.occupied, edited.verdict.occupied),
        );
        return [
          sample(`added.${kind}.recognised`, index, ...recognised),
          sample(`added.${kind}.change`, index, ...change),
          ...blended.flatMap((edited) => [
            sample(`added.${kind}.blend.recognised`, index, Number(shows(edited.verdict, kind, asked)), recognised[1]),
            sample(`added.${kind}.blend.change`, index, changeOutside(drawn.source, edited), change[1]),
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

/** Whether what was to be added is there. */
export function shows(
  { things, colours, materials, ...one }: Verdict,
  kind: (typeof ADDED)[number],
  asked: string,
): boolean {
  if (kind === 'colour') return colours.has(asked);
  if (kind !== 'material') return one[kind] === asked;
  const [material, noun] = asked.split(' ');
  return materials.has(material) && things.has(noun);
}

/** A colour or a material swapped for another; the sources are the first targets of the added colours and materials. */
function exchanges(kind: (typeof ON_A_THING)[number], firstSeed: number): Experiment {
  return {
    name: `swapped ${kind}`,
    sheet: { columns: 6, most: 48 },
    runs: ({ added }) => added[kind]?.length ?? 0,
    async run(studio, index) {
      const [{ text: source }, { text: prompt, asked }] = studio.heldOut.added[kind]![index].targets;
      const drawn = await studio.edit(source, [{ prompt }, { prompt, afresh: true }], firstSeed + index);
      const recognised = drawn.edited.map(({ verdict }) => Number(shows(verdict, kind, asked)));
      const change = drawn.edited.map((edited) => changeOutside(drawn.source, edited));
      const samples = [
        sample(`swapped.${kind}.recognised`, index, ...recognised),
        sample(`swapped.${kind}.outside`, index, ...change),
      ].flat();
      const [edit, afresh] = drawn.edited;
      return {
        samples,
        panels: [panel(drawn.source, source), panel(edit, prompt), panel(afresh, 'without injection')],
      };
    },
  };
}

export const swapped: readonly Experiment[] = ON_A_THING.map((kind, i) => exchanges(kind, 35_000 + 1000 * i));

export const added: readonly Experiment[] = ADDED.map((kind, i) => additions(kind, 40_000 + 1000 * i));

/** Each graded word's factors, which always include 1; and the pixel label that it controls. */
export const FACTORS = {
  snowy: [-1, 0, 0.5, 1, 2],
  blossom: [-2, 0, 0.5, 0.875, 1],
  fluffy: [0.5, 0.75, 1, 1.25, 1.5],
} as const;
const AMOUNT = { snowy: 'snow', blossom: 'blossom', fluffy: 'fluff' } as const;

/** The share of a picture that shows what a graded word names, 0 to 1. */
export function amount(word: (typeof WEIGHTED)[number], { pixels }: Verdict): number {
  return pixels.filter((pixel) => pixel === AMOUNT[word]).length / pixels.length;
}

/**
 * A graded word's attention multiplied by five factors, everything else injected: how much is snow, blossom or fluff?
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
      const drawn = await studio.edit(
        prompt,
        others.map((factor) => ({ prompt, weights: { [word]: factor } })),
        firstSeed + index,
      );
      const series = factors.map((factor) => (factor === 1 ? drawn.source : drawn.edited[others.indexOf(factor)]));
      const amounts = series.map(({ verdict }) => amount(word, verdict));
      return {
        samples: sample(`weighted.${word}`, index, ...amounts),
        panels: series.map((each, i) => panel(each, `${factors[i]} × ${(100 * amounts[i]).toFixed(1)} %, ${prompt}`)),
      };
    },
  };
}

export const weighted: readonly Experiment[] = WEIGHTED.map((word, i) => reweighting(word, 50_000 + 1000 * i));

/**
 * The mean difference, 0 to 255, where neither picture has a thing: outside of both masks and their margins.
 */
export function changeOutside(source: Seen, edited: Seen): number | undefined {
  return meanDifference(
    source.picture,
    edited.picture,
    not(withMargin(either(source.verdict.occupied, edited.verdict.occupied))),
  );
}

/**
 * The mean difference, 0 to 255, where local blend kept the latents, at least three places away from changed ones,
 * because the decoder's convolutions also use each latent's neighbours.
 */
function changeOutsideBlend(source: Drawn, blended: Drawn): number | undefined {
  const { places } = source;
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
