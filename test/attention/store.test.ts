import type * as tf from '@tensorflow/tfjs';
import { attentionStore } from '../../src/attention/store';
import { useBackend } from '../backend';
import { evaluation, MapLayer, type Maps } from './mapLayer';
import { toyTokenizer } from './toyTokenizer';

useBackend();

const { tokenize } = toyTokenizer(5);
const prompts = [tokenize('a uni|cycle'), tokenize('a dog')];
const rows = (...first: number[]): Maps =>
  first.map((p) => [
    [p, 0.1, 0.2, 0.7 - p],
    [0.1, 0.2, 0.3, 0.4],
  ]);
const grid = { height: 2, width: 1 };

let down: MapLayer;
let up: MapLayer;
let small: MapLayer;
let self: MapLayer;
beforeAll(() => {
  down = new MapLayer({ keys: 4, path: 'down_blocks.0.attn2' });
  up = new MapLayer({ keys: 4, place: 'up', path: 'up_blocks.0.attn2' });
  small = new MapLayer({ keys: 4, place: 'mid', path: 'mid_block.attn2' });
  self = new MapLayer({ keys: 4, kind: 'self', path: 'down_blocks.0.attn1' });
});

function read(map: tf.Tensor): unknown {
  const values = map.arraySync();
  map.dispose();
  return values;
}

test('maps are averaged over steps and sites, by prompt and word', () => {
  const store = attentionStore();
  store.begin!({ prompts: 2, steps: 10, latents: { height: 16, width: 16 } });
  for (const step of [0, 1]) {
    const now = evaluation({ prompts: 2, step });
    down.attend(rows(0.1, 0.1, 0.2, 0.4), store, now, grid);
    small.attend(
      rows(0.3, 0.3, 0.3, 0.3).map(([first]) => [first!]),
      store,
      now,
      { height: 1, width: 1 },
    );
    up.attend(rows(0.1, 0.1, 0.4 + 0.2 * step, 0.4), store, now, grid);
    self.attend(rows(0.1, 0.1, 0.1, 0.1), store, now, grid);
  }
  expect(store.sites.map(({ site, evaluations, keys }) => [site.path, evaluations, keys])).toEqual([
    ['down_blocks.0.attn2', 2, 4],
    ['mid_block.attn2', 2, 4],
    ['up_blocks.0.attn2', 2, 4],
  ]);

  const [[[toStart]]] = read(store.maps()) as number[][][];
  expect(toStart).toBeCloseTo((0.2 + 0.4 + 0.2 + 0.6) / 4, 5);
  const [[[inUp]]] = read(store.maps({ where: { place: 'up' } })) as number[][][];
  expect(inUp).toBeCloseTo(0.5, 5);
  const [[[ofTarget]]] = read(store.maps({ prompt: 1 })) as number[][][];
  expect(ofTarget).toBeCloseTo(0.4, 5);
  const word = read(store.wordMap(prompts[0], 'unicycle')) as number[][];
  expect(word).toHaveLength(2);
  expect(word[1][0]).toBeCloseTo(0.7, 5);

  expect(() => store.maps({ where: { kind: 'cross' } })).toThrow(
    'different sizes cannot be averaged: 2x1 to 4 keys, 1x1 to 4 keys',
  );
  expect(() => store.maps({ where: { kind: 'self' } })).toThrow('no maps of the chosen sites');
  expect(() => store.maps({ prompt: 2 })).toThrow('no maps of prompt 2: the run had prompts 0, 1');
  expect(() => store.wordMap(prompts[0], 'dog')).toThrow('has: a, unicycle');
  store.dispose();
});

test('self-attention is stored when it is asked for', () => {
  const store = attentionStore({ kind: 'self' });
  self.attend(rows(0.1, 0.2), store, evaluation({ prompts: 1 }), grid);
  down.attend(rows(0.1, 0.2), store, evaluation({ prompts: 1 }), grid);
  expect(store.sites).toHaveLength(1);
  const [[map]] = read(store.maps({ where: { kind: 'self' } })) as number[][][];
  map!.forEach((p, i) => expect(p).toBeCloseTo([0.2, 0.1, 0.2, 0.5][i], 5));
  store.dispose();
});

test('a new run forgets the one before', () => {
  const store = attentionStore();
  down.attend(rows(0.1), store, evaluation({ prompts: 1, guidance: false }), grid);
  store.begin!({ prompts: 1, steps: 10, latents: { height: 16, width: 16 } });
  expect(store.sites).toEqual([]);
  expect(() => store.maps()).toThrow('no maps');
});
