/** What every controller promises: gradients flow through its hooks, and no tensor is left behind. */
import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController, Stage } from '../../src/attention/controller';
import { attentionStore } from '../../src/attention/store';
import { attentionRefine, attentionReplace } from '../../src/edits/prompt-to-prompt/crossInjection';
import { localBlend } from '../../src/edits/prompt-to-prompt/localBlend';
import { attentionReweight } from '../../src/edits/prompt-to-prompt/reweight';
import { selfInjection } from '../../src/edits/prompt-to-prompt/selfInjection';
import { useBackend } from '../backend';
import { evaluation, MapLayer } from './mapLayer';
import { toyTokenizer } from './toyTokenizer';

useBackend();

const { tokenize } = toyTokenizer(6);
const prompts = [tokenize('a cat'), tokenize('a small cat')];
const grid = { height: 2, width: 3 };
const steps = 6;

let cross: MapLayer;
let self: MapLayer;
beforeAll(() => {
  cross = new MapLayer({ keys: 6 });
  self = new MapLayer({ keys: 6, kind: 'self', path: 'down_blocks.0.attn1' });
});

const onlooker = (stage: Stage): AttentionController => ({ wants: () => [stage] });
const rotate: AttentionController = { wants: () => ['logits'], onLogits: (logits) => tf.reverse(logits, 3) };
const everything = (): AttentionController =>
  compose(
    attentionRefine({ prompts, during: { words: { a: 0.5 } } }),
    selfInjection({ during: 0.5 }),
    attentionReweight({ prompts, weights: { small: 2 }, during: 0.8 }),
    localBlend({ prompts, words: [['cat'], ['cat']], subtract: [['a'], []] }),
  );

/** One run through both layers. */
function run(controller: AttentionController, { until = steps, thrower = false } = {}): void {
  let latents = tf.randomNormal([2, 2, 3, 1], 0, 1, 'float32', 7) as tf.Tensor4D;
  controller.begin?.({ prompts: 2, steps, latents: grid });
  try {
    for (let step = 0; step < until; step += 1) {
      const previous = latents;
      latents = tf.tidy(() => {
        const now = evaluation({ prompts: 2, step, steps, latents: grid, guidance: false });
        const hidden = tf.mul(
          tf.reshape(previous, [2, 6, 1]),
          tf.randomNormal([1, 1, 6], 0, 1, 'float32', step),
        ) as tf.Tensor3D;
        const out = self.forward(cross.forward(hidden, grid, controller, now), grid, controller, now);
        if (thrower && step === 3) throw new Error('out of patience');
        const next = tf.reshape(tf.sum(out, 2), [2, 2, 3, 1]) as tf.Tensor4D;
        return controller.onLatents?.(next, { step, steps, timestep: 1 }) ?? next;
      });
      previous.dispose();
    }
  } finally {
    latents.dispose();
    controller.end?.();
  }
}

describe('numTensors', () => {
  test.each<[string, () => AttentionController]>([
    ['replace', () => attentionReplace({ prompts: [prompts[0], tokenize('a dog')] })],
    ['all of them', everything],
  ])('is the same after a run: %s', (_, make) => {
    const before = tf.memory().numTensors;
    run(make());
    expect(tf.memory().numTensors).toBe(before);
  });

  test('does not grow from step to step', () => {
    const counts: number[] = [];
    run(
      compose(everything(), {
        wants: () => [],
        onLatents: (latents) => {
          counts.push(tf.memory().numTensors);
          return latents;
        },
      }),
    );
    expect(new Set(counts.slice(2)).size).toBe(1);
  });

  test('is the same after a run that stopped early', () => {
    const before = tf.memory().numTensors;
    run(everything(), { until: 2 });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is the same after a run that threw', () => {
    const before = tf.memory().numTensors;
    expect(() => run(everything(), { thrower: true })).toThrow('out of patience');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('grows by the maps a store holds, once, until it is disposed of', () => {
    const store = attentionStore(() => true);
    const before = tf.memory().numTensors;
    run(store);
    run(store);
    expect(tf.memory().numTensors).toBe(before + 2 * 2);
    tf.dispose(store.maps({ where: { kind: 'self' } }));
    expect(tf.memory().numTensors).toBe(before + 2 * 2);
    store.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a controller that was told to forget can run again', () => {
    const blend = everything();
    const before = tf.memory().numTensors;
    run(blend);
    run(blend);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('gradients', () => {
  const now = evaluation({ prompts: 2, steps, latents: grid, guidance: false });
  /** How the layer's output, weighted, changes with its input. @returns [rows, queries, keys] */
  function gradient(layer: MapLayer, controller?: AttentionController): number[][][] {
    return tf.tidy(() => {
      const weights = tf.randomNormal([2, 6, 6], 0, 1, 'float32', 3);
      const loss = (x: tf.Tensor): tf.Scalar =>
        tf.sum(tf.mul(layer.forward(x as tf.Tensor3D, grid, controller, now), weights));
      return tf
        .grad(loss)(tf.randomNormal([2, 6, 6], 0, 1, 'float32', 4))
        .arraySync() as number[][][];
    });
  }
  const size = (row: number[][]): number => row.flat().reduce((sum, x) => sum + Math.abs(x), 0);

  test.each<Stage>(['qkv', 'logits', 'probs', 'output'])(
    'flow through a hook on %s that changes nothing, unchanged',
    (stage) => {
      const [free, hooked] = [gradient(cross), gradient(cross, onlooker(stage))];
      hooked.flat(2).forEach((x, i) => expect(x).toBeCloseTo(free.flat(2)[i], 5));
      expect(size(free[1])).toBeGreaterThan(0.1);
    },
  );

  test('of a hook that changes something are those of what it does', () => {
    const [free, rotated] = [gradient(cross), gradient(cross, rotate)];
    expect(size(rotated[0])).toBeGreaterThan(0.1);
    expect(Math.abs(size(rotated[0]) - size(free[0]))).toBeGreaterThan(1e-3);
  });

  test('of an injected map go to the source', () => {
    const replace = attentionReplace({ prompts: [prompts[0], tokenize('a dog')], during: 1 });
    const [source, target] = gradient(cross, replace);
    expect(size(source!)).toBeGreaterThan(0.1);
    expect(size(target!)).toBeCloseTo(0, 6);
    const [selfSource, selfTarget] = gradient(self, selfInjection());
    expect(size(selfSource!)).toBeGreaterThan(0.1);
    expect(size(selfTarget!)).toBeCloseTo(0, 6);
  });

  test('pass through all controllers at once, and a store beside them', () => {
    const store = attentionStore();
    const controller = compose(everything(), store);
    const before = tf.memory().numTensors;
    const [source, target] = gradient(cross, controller);
    expect(size(source!)).toBeGreaterThan(0.1);
    expect(size(target!)).toBeGreaterThan(0.01);
    controller.end!();
    store.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
