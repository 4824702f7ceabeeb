import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController, FeatureCall } from '../../src/attention/controller';
import { select } from '../../src/attention/select';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { useBackend } from '../backend';

let pipe: StableDiffusionPipeline;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});

/** One evaluation of two rows. */
function evaluate(controller?: AttentionController): tf.Tensor4D {
  return tf.tidy(() => {
    const latents = tf.randomNormal<tf.Rank.R4>([2, 12, 20, 4], 0, 1, 'float32', 1);
    const context = pipe.encode(['a cat', 'a dog']);
    const rows = [0, 1].map((prompt) => ({ prompt, role: 'conditional' }));
    const evaluation = { step: 0, steps: 1, timestep: 981, latents: { height: 12, width: 20 }, rows };
    return pipe.unet.forward(latents, 981, context, controller && { controller, evaluation });
  });
}
const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]);

test('every place is listed, and comes by in that order with the shape it says', () => {
  const before = tf.memory().numTensors;
  const calls: FeatureCall[] = [];
  const spy: AttentionController = {
    wants: () => [],
    wantsFeatures: () => true,
    onFeatures: (x, call) => {
      calls.push(call);
      expect(x.shape).toEqual([2, call.grid.height, call.grid.width, call.site.channels]);
      return x;
    },
  };
  const [looked, plain] = [evaluate(spy), evaluate()];
  expect(difference(looked, plain)).toBe(0);
  expect(calls.map(({ site }) => site)).toEqual(pipe.featureSites);
  const named = pipe.featureSites.map(({ kind, path }) => `${kind} ${path}`);
  expect(named).toEqual(
    expect.arrayContaining(['block mid_block', 'skip up_blocks.0.resnets.1', 'resnet down_blocks.0.resnets.0']),
  );
  expect(new Set(named).size).toBe(named.length);
  tf.dispose([looked, plain]);
  expect(tf.memory().numTensors).toBe(before);
});

test("where nobody asks, no hook is called, and an evaluation makes the same tensors' number", () => {
  const onFeatures = jest.fn((x: tf.Tensor4D) => x);
  const nobody: AttentionController = { wants: () => [], wantsFeatures: () => false, onFeatures };
  tf.dispose([evaluate(nobody), evaluate(compose(nobody, { wants: () => [] }))]);
  expect(onFeatures).not.toHaveBeenCalled();
});

test.each(['resnet', 'backbone', 'skip', 'block'] as const)('what is returned for a %s takes its place', (kind) => {
  const before = tf.memory().numTensors;
  const kept: tf.Tensor[] = [];
  /** Row 1 takes row 0's features, and keeps what it was given and gave. */
  const injection: AttentionController = {
    wants: () => [],
    wantsFeatures: ({ site }) => site.path.startsWith('up_blocks.1'),
    onFeatures: (x) => {
      const source = tf.slice(x, 0, 1);
      const made = tf.keep(tf.concat([source, source]) as tf.Tensor4D);
      kept.push(tf.keep(x), made);
      return made;
    },
  };
  const [plain, injected] = [evaluate(), evaluate(select({ kind }, injection))];
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.map(({ isDisposed }) => isDisposed)).not.toContain(true);
  expect(difference(tf.slice(plain, 0, 1), tf.slice(injected, 0, 1))).toBeLessThan(1e-5);
  expect(difference(tf.slice(plain, 1, 1), tf.slice(injected, 1, 1))).toBeGreaterThan(1e-3);
  tf.dispose([plain, injected, kept]);
  expect(tf.memory().numTensors - before).toBeLessThanOrEqual(4); // The slices of this test.
});

test('what is returned is checked', () => {
  const wrong: AttentionController = {
    name: 'halved',
    wants: () => [],
    wantsFeatures: ({ site }) => site.path === 'mid_block',
    onFeatures: (x) => tf.slice(x, 0, 1),
  };
  expect(() => evaluate(wrong)).toThrow(
    /The controller halved, at mid_block: onFeatures returned a tensor of \[1,.*it must be \[2,/,
  );
});
