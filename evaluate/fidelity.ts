import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type AttentionStore, attentionStore } from '../src/attention/store';
import { withMargin } from './compare';
import type { Experiment } from './experiment';
import type { Prompt } from './heldOut';
import type { Verdict } from './judge';
import { readRow } from './sheet';
import type { Drawn, Studio } from './studio';

/** The pictures in a row of held_out.png, which has as many rows. */
const COLUMNS = 8;

/** Held-out pictures through the autoencoder and back: PSNR in dB. A run is a row of `held_out.png`. */
export const reconstruction: Experiment = {
  name: 'reconstruction',
  runs: () => COLUMNS,
  async run({ pipeline: { vae }, folder }, index) {
    const originals = await readRow(join(folder, 'held_out.png'), index, COLUMNS);
    const decibels = tf.tidy(() => {
      const again = tf.clipByValue(vae.decode(vae.encode(originals).mean), -1, 1);
      const error = tf.mean(tf.square(tf.div(tf.sub(again, originals), 2)), [1, 2, 3]);
      return tf.mul(tf.log(error), -10 / Math.LN10);
    });
    const values = Array.from(await decibels.data());
    tf.dispose([originals, decibels]);
    return {
      samples: values.map((value, i) => ({ figure: 'psnr', group: index * COLUMNS + i, values: [value] })),
      panels: [],
    };
  },
};

/** Prompts that share a noise. */
const BATCH = 8;

/** Pictures of held-out captions: does the judge find what was asked for, and do the words attend to their things? */
function captions(name: 'newCaptions' | 'neverSeen', firstSeed: number): Experiment {
  return {
    name,
    sheet: { columns: 8, most: 64 },
    runs: (heldOut) => heldOut[name].length / BATCH,
    async run(studio, index) {
      const prompts = studio.heldOut[name].slice(index * BATCH, (index + 1) * BATCH);
      const store = attentionStore();
      const drawn = await studio.draw(
        prompts.map(({ text }) => text),
        { seed: firstSeed + index, controller: store },
      );
      const samples = prompts.flatMap((prompt, i) => [
        ...found(prompt, drawn[i].verdict),
        ...pointed(studio, prompt.text, i, drawn[i], store),
      ]);
      store.dispose();
      return {
        samples: samples.map(({ figure, hit }) => ({
          figure: `${name}.${figure}`,
          group: index,
          values: [Number(hit)],
        })),
        panels: drawn.map(({ picture }, i) => ({ tiles: [{ picture }], notes: [prompts[i].text] })),
      };
    },
  };
}

export const newCaptions = captions('newCaptions', 10_000);
export const neverSeen = captions('neverSeen', 20_000);

interface Hit {
  readonly figure: string;
  readonly hit: boolean;
}

/** What a caption asks for, and whether the judge finds it. */
function found({ things, colours, place, time }: Prompt, verdict: Verdict): Hit[] {
  return [
    ...things.map((thing) => ({ figure: 'object', hit: verdict.things.has(thing) })),
    ...colours.map((colour) => ({ figure: 'colour', hit: verdict.colours.has(colour) })),
    ...(place ? [{ figure: 'place', hit: verdict.place === place }] : []),
    ...(time ? [{ figure: 'time', hit: verdict.time === time }] : []),
  ];
}

/**
 * The pointing game (Zhang et al. 2018): is the maximum of a word's map in the right place? A noun's must be on its
 * thing or within the margin; that of a place, or of `snowy`, must not be on any thing.
 */
function pointed(
  { pipeline: { tokenizer }, heldOut: { vocabulary } }: Studio,
  text: string,
  prompt: number,
  { verdict }: Drawn,
  store: AttentionStore,
): Hit[] {
  const tokenized = tokenizer.tokenize(text);
  const side = Math.sqrt(verdict.pixels.length);
  const peak = (word: string): number =>
    tf.tidy(() => {
      const map = tf.expandDims(store.wordMap(tokenized, word, { prompt }), 2) as tf.Tensor3D;
      return tf.argMax(tf.reshape(tf.image.resizeBilinear(map, [side, side], false, true), [-1])).dataSync()[0];
    });
  const words = text.split(' ');
  const nouns = words.filter((word) => vocabulary.nouns.includes(word));
  const grounds = words.filter((word) => word === 'snowy' || vocabulary.places.includes(word));
  return [
    ...nouns.map((noun) => ({
      figure: 'noun',
      hit: withMargin(verdict.pixels.map((pixel) => pixel === noun))[peak(noun)],
    })),
    ...grounds.map((ground) => ({ figure: 'ground', hit: !verdict.occupied[peak(ground)] })),
  ];
}
