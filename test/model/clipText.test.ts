import * as tf from '@tensorflow/tfjs';
import { CLIPTextModel } from '../../src/model/clipText';
import { parseCLIPTextConfig } from '../../src/model/config';
import { useBackend } from '../backend';
import { deviation, PARITY, Variant } from './variant';

useBackend();

async function open(name: string) {
  const variant = new Variant(name);
  const clip = await variant.load('text_encoder', new CLIPTextModel(parseCLIPTextConfig(variant.config)));
  const ids = (await variant.tensor<tf.Tensor2D>('ids')).arraySync();
  return { variant, clip, ids };
}

describe.each(['text-quick-gelu', 'text-gelu'])('%s', (name) => {
  test('encodes what transformers encodes and leaves no tensor behind', async () => {
    const { variant, clip, ids } = await open(name);
    const before = tf.memory().numTensors;
    const encoded = clip.forward(ids);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(deviation(encoded, await variant.tensor('last_hidden_state'))).toBeLessThan(PARITY);
  });

  test('has the hidden states of every layer', async () => {
    const { variant, clip, ids } = await open(name);
    const before = tf.memory().numTensors;
    const states = clip.hiddenStates(ids);
    expect(tf.memory().numTensors).toBe(before + states.length);
    expect(states).toHaveLength(4);
    for (const [i, state] of states.entries()) expect(deviation(state, await variant.tensor(`hidden_states.${i}`))).toBeLessThan(PARITY);
  });
});

test('a token is encoded without regard to those after it', async () => {
  const { clip } = await open('text-gelu');
  const whole = clip.forward([[38, 1, 2, 3, 39]]);
  const start = clip.forward([[38, 1, 2]]);
  expect(deviation(tf.slice(whole, [0, 0, 0], [1, 3, -1]), start)).toBeLessThan(1e-5);
});

test('ids that do not fit are refused', async () => {
  const { clip } = await open('text-gelu');
  expect(() => clip.forward([[1, 2], [1]])).toThrow('Rows of one length are needed, not of 2, 1 tokens.');
  expect(() => clip.forward([Array(12).fill(1)])).toThrow('has 11 positions; 12 tokens are too many');
  expect(() => clip.forward([[1, 40]])).toThrow('text_model.embeddings.token_embedding.weight: id 40 is not one of 0 to 39');
});
