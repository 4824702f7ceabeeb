/** What hooks written in plain JavaScript get wrong, and controllers with a state. */
import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController, Qkv, RunInfo } from '../../src/attention/controller';
import { HookError } from '../../src/attention/hooks';
import { beginAll, endAll } from '../../src/attention/lifetime';
import { select } from '../../src/attention/select';
import { attentionStore } from '../../src/attention/store';
import { useBackend } from '../backend';
import { evaluation, MapLayer } from './mapLayer';

useBackend();
let layer: MapLayer;
beforeAll(() => {
  layer = new MapLayer({ keys: 3 });
});

const maps = [[[0.2, 0.3, 0.5]], [[0.6, 0.2, 0.2]]];
const attend = (controller: AttentionController) =>
  layer.attend(maps, controller, evaluation({ prompts: 2, guidance: false }));
/** As plain JavaScript may have it. */
const written = (controller: object): AttentionController => controller as AttentionController;

describe('a hook that is not what it should be is named, with the site and the stage', () => {
  const probs = (onProbs: (probs: tf.Tensor4D) => unknown) => ({ name: 'louder', wants: () => ['probs'], onProbs });
  const at = 'The controller louder, at down_blocks.0.attn2: ';
  test.each<[string, object, string]>([
    ['returns nothing', probs(() => undefined), `${at}onProbs returned nothing: it must be a tensor`],
    ['returns a number', probs(() => 3), `${at}onProbs returned something that is no tensor (number)`],
    ['waits', probs(async (x) => x), `${at}onProbs returned a promise (hooks cannot wait)`],
    [
      'returns int32',
      probs((x) => tf.cast(x, 'int32')),
      `${at}onProbs returned a tensor of int32: it must be float32.`,
    ],
    [
      'returns one row of two',
      probs((x) => tf.slice(x, 0, 1)),
      `${at}onProbs returned a tensor of [1,1,1,3]: it must be [2,1,1,3].`,
    ],
    [
      'returns output of another shape',
      { name: 'louder', wants: () => ['output'], onOutput: (x: tf.Tensor) => tf.transpose(x) },
      `${at}onOutput returned a tensor of [3,1,2]: it must be [2,1,3].`,
    ],
    [
      'returns queries alone',
      { name: 'louder', wants: () => ['qkv'], onQkv: ({ q }: Qkv) => ({ q }) },
      `${at}onQkv returned something that is no tensor (object): it must be { q, k, v }`,
    ],
    [
      'adds keys without values',
      { name: 'louder', wants: () => ['qkv'], onQkv: ({ q, k, v }: Qkv) => ({ q, k: tf.concat([k, k], 2), v }) },
      `${at}onQkv returned v: a tensor of [2,1,3,3]: it must be [2,1,6,3].`,
    ],
    [
      'a misspelt stage',
      { wants: () => ['prob'] },
      "A controller, at down_blocks.0.attn2: wants 'prob'; the stages are qkv, logits, probs, output.",
    ],
    [
      'a misspelt hook',
      { wants: () => ['probs'], onProb: (x: tf.Tensor) => x },
      'has onProb, which is not a hook; the hooks are onQkv, onLogits, onProbs, onOutput, onFeatures, onLatents.',
    ],
    ['a stage that is no list', { wants: () => undefined }, 'wants() returned undefined, not a list of stages.'],
  ])('%s', (_, controller, message) => {
    for (const one of [
      written(controller),
      compose(attentionStore(), written(controller)),
      select({}, written(controller)),
    ]) {
      expect(() => attend(one)).toThrow(HookError);
      expect(() => attend(one)).toThrow(message);
    }
  });
});

test('a hook may add keys and values; those who come after are told', () => {
  const keys: number[] = [];
  const before = tf.memory().numTensors;
  const twice: AttentionController = {
    wants: () => ['qkv'],
    onQkv: ({ q, k, v }) => ({ q, k: tf.concat([k, k], 2), v: tf.concat([v, v], 2) }),
  };
  const counting: AttentionController = {
    wants: () => ['qkv', 'logits', 'probs', 'output'],
    onQkv: (qkv, call) => {
      keys.push(qkv.k.shape[2], call.keys);
      return qkv;
    },
    onLogits: (logits, call) => {
      keys.push(logits.shape[3], call.keys);
      return logits;
    },
    onProbs: (probs, call) => {
      keys.push(probs.shape[3], call.keys);
      return probs;
    },
    onOutput: (output, call) => {
      keys.push(6, call.keys);
      return output;
    },
  };
  // Each key twice: what comes out stays the same.
  const plain = layer.attend(maps);
  for (const controller of [twice, compose(twice, counting)])
    attend(controller)
      .flat(2)
      .forEach((x, i) => expect(x).toBeCloseTo(plain.flat(2)[i], 5));
  expect(keys).toEqual(Array(8).fill(6));
  expect(tf.memory().numTensors).toBe(before);
});

describe('a controller with a state', () => {
  const run = (): RunInfo => ({ prompts: 1, steps: 1, latents: { height: 16, width: 16 } });
  const stateful = (log: string[], name = 'counter'): AttentionController => ({
    name,
    wants: () => [],
    begin: () => log.push(`${name} begins`),
    end: () => log.push(`${name} ends`),
  });

  test('is in one run at a time, composed or not', () => {
    const log: string[] = [];
    const counter = stateful(log);
    const other = stateful(log, 'other');
    beginAll([compose(counter)], run());
    for (const again of [counter, compose(counter), select({}, compose(other, counter))])
      expect(() => beginAll([again], run())).toThrow(
        'The controller counter is still part of another run, whose state it holds: make a new one for each run',
      );
    expect(log).toEqual(['counter begins', 'other begins', 'other ends']);
  });

  test('is ended even where the end of another fails', () => {
    const fails: AttentionController = {
      wants: () => [],
      end: () => {
        throw new Error('it fails');
      },
    };
    const log: string[] = [];
    const other = stateful(log, 'other');
    beginAll([fails, other], run());
    expect(() => endAll([fails, other])).toThrow('it fails');
    expect(log).toEqual(['other begins', 'other ends']);
  });

  test('may stand twice in one run, which begins and ends once; then another may begin', () => {
    const log: string[] = [];
    const counter = stateful(log);
    const both = compose(counter, select({ kind: 'self' }, counter));
    for (let i = 0; i < 2; i++) {
      beginAll([both], run());
      endAll([both]);
    }
    expect(log).toEqual(['counter begins', 'counter ends', 'counter begins', 'counter ends']);
  });

  test('one without may be in as many as there are', () => {
    const stateless = compose({ wants: () => [] }, select({}, { wants: () => [] }));
    beginAll([stateless], run());
    beginAll([stateless], run());
  });
});
