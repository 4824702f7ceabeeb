import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController, Stage } from '../../src/attention/controller';
import { select, type Where } from '../../src/attention/select';
import { attentionStore } from '../../src/attention/store';
import { attentionReplace } from '../../src/edits/prompt-to-prompt/crossInjection';
import { attentionReweight } from '../../src/edits/prompt-to-prompt/reweight';
import { selfInjection } from '../../src/edits/prompt-to-prompt/selfInjection';
import { useBackend } from '../backend';
import { evaluation, MapLayer, type Maps } from './mapLayer';
import { toyTokenizer } from './toyTokenizer';

useBackend();

const { tokenize } = toyTokenizer(4);
const prompts = [tokenize('a cat'), tokenize('a dog')];
const batch: Maps = [[[0.1, 0.2, 0.4, 0.3]], [[0.5, 0.1, 0.2, 0.2]]];
const now = evaluation({ prompts: 2, guidance: false });

let layer: MapLayer;
beforeAll(() => {
  layer = new MapLayer({ keys: 4, path: 'up_blocks.1.attentions.0.transformer_blocks.0.attn2', place: 'up' });
});

const after = (...controllers: AttentionController[]): Maps => layer.attend(batch, compose(...controllers), now);

const STAGES: readonly Stage[] = ['qkv', 'logits', 'probs', 'output'];
/** Asks for everything and changes nothing. */
const onlooker: AttentionController = {
  wants: () => STAGES,
  onQkv: (qkv) => qkv,
  onLogits: (logits) => logits,
  onProbs: (probs) => probs,
  onOutput: (output) => output,
};

test('hooks that change nothing change nothing', () => {
  const untouched = layer.attend(batch);
  for (const stage of STAGES)
    expect(layer.attend(batch, { ...onlooker, wants: () => [stage] }, now)).toEqual(untouched);
  expect(after(onlooker)).toEqual(untouched);
  expect(after()).toEqual(untouched);
  // Nor does asking for a stage without having a hook.
  expect(layer.attend(batch, { wants: () => STAGES }, now)).toEqual(untouched);
  expect(after({ wants: () => STAGES })).toEqual(untouched);
});

test('each controller gets what the one before returned', () => {
  const add = (x: number): AttentionController => ({
    wants: () => ['output'],
    onOutput: (output) => tf.add(output, x),
  });
  const double: AttentionController = { wants: () => ['output'], onOutput: (output) => tf.mul(output, 2) };
  const first = layer.attend(batch)[0][0][0];
  expect(after(add(1), double)[0][0][0]).toBeCloseTo((first + 1) * 2, 5);
  expect(after(double, add(1))[0][0][0]).toBeCloseTo(first * 2 + 1, 5);
});

test('a controller is called only at the stages that it asked for', () => {
  const loud = (): never => {
    throw new Error('not asked for');
  };
  const quiet: AttentionController = { wants: () => [], onQkv: loud, onLogits: loud, onProbs: loud, onOutput: loud };
  expect(() => after(quiet, onlooker)).not.toThrow();
});

describe('order', () => {
  const replace = attentionReplace({ prompts });
  const inject = selfInjection();
  const double = attentionReweight({ prompts, weights: { a: 2 } });
  const negate = attentionReweight({ prompts, weights: { dog: -1 } });

  test('does not matter among edits of different sites or different tokens', () => {
    expect(after(replace, inject)).toEqual(after(inject, replace));
    expect(after(double, negate)).toEqual(after(negate, double));
  });

  test('matters where one overwrites what the other changed', () => {
    expect(after(replace, double)[1][0][1]).toBeCloseTo(0.4, 5);
    expect(after(double, replace)[1][0][1]).toBeCloseTo(0.2, 5);
  });

  test('matters to who reads: before the edit or after it', () => {
    const [before, later] = [attentionStore(), attentionStore()];
    after(before, replace, later);
    const toDog = (store: typeof before): number =>
      tf.tidy(() => store.wordMap(prompts[1], 'dog', { prompt: 1 }).arraySync()[0][0]);
    expect(toDog(before)).toBeCloseTo(0.2, 5);
    expect(toDog(later)).toBeCloseTo(0.4, 5);
    before.dispose();
    later.dispose();
  });
});

test("the run's start, end and latents reach every controller in order", () => {
  const log: string[] = [];
  const scribe = (name: string): AttentionController => ({
    wants: () => [],
    begin: ({ steps }) => {
      log.push(`${name} begins ${steps}`);
    },
    onLatents: (latents, { step }) => {
      log.push(`${name} ${step}`);
      return tf.add(latents, 1);
    },
    end: () => {
      log.push(`${name} ends`);
    },
  });
  const both = compose(scribe('a'), { wants: () => [] }, scribe('b'));
  tf.tidy(() => {
    both.begin!({ prompts: 2, steps: 5, latents: { height: 1, width: 1 } });
    expect(both.onLatents!(tf.zeros([2, 1, 1, 1]), { step: 3, steps: 5, timestep: 1 }).arraySync()).toEqual([
      [[[2]]],
      [[[2]]],
    ]);
    both.end!();
  });
  expect(log).toEqual(['a begins 5', 'b begins 5', 'a 3', 'b 3', 'a ends', 'b ends']);
});

test.each<[Where, boolean]>([
  [{ kind: 'cross' }, true],
  [{ kind: 'self' }, false],
  [{ place: 'up', kind: 'cross' }, true],
  [{ place: 'down' }, false],
  [{ path: 'up_blocks.1' }, true],
  [{ path: 'up_blocks.1.attentions.0.transformer_blocks.0.attn2' }, true],
  [{ path: 'up_blocks' }, true],
  [{ path: 'up_block' }, false],
  [{ path: /attentions\.\d+\..*attn2$/g }, true],
  [{ path: /attn1/ }, false],
  [{ grid: { height: 1, width: 1 } }, true],
  [{ grid: { height: 16, width: 16 } }, false],
  [{ maxSize: 1 }, true],
  [{ maxSize: 0 }, false],
  [(call) => call.step === 0, true],
  [({ site }) => 'heads' in site && site.heads > 1, false],
])('select(%o): %s', (where, chosen) => {
  let asked = 0;
  const counter: AttentionController = {
    wants: () => ['probs'],
    onProbs: (probs) => {
      asked += 1;
      return probs;
    },
  };
  after(select(where, counter), onlooker);
  after(select(where, counter), onlooker);
  expect(asked).toBe(chosen ? 2 : 0);
});

test.each([-1, NaN])('select refuses grids of up to %d', (maxSize) => {
  const reader: AttentionController = { wants: () => ['probs'] };
  expect(() => after(select({ maxSize }, reader), onlooker)).toThrow(`The side of the largest grid is ${maxSize}`);
});
