import type * as tf from '@tensorflow/tfjs';
import { CLIPTextModel } from '../../src/model/clipText';
import { parseCLIPTextConfig } from '../../src/model/config';
import { Variant } from '../model/variant';
import { type Comparison, largestOf, PARITY } from './comparison';

/** The states of every layer against transformers', and the last after its norm. */
export const textEncoder: readonly Comparison[] = ['text-quick-gelu', 'text-gelu'].map((name) => ({
  part: 'text encoder',
  name,
  most: PARITY,
  async largest() {
    const { variant, clip, ids } = await openText(name);
    const states = clip.hiddenStates(ids);
    const pairs: [tf.Tensor, tf.Tensor][] = [[clip.forward(ids), await variant.tensor('last_hidden_state')]];
    for (const [i, state] of states.entries()) pairs.push([state, await variant.tensor(`hidden_states.${i}`)]);
    clip.dispose();
    return largestOf(...pairs);
  },
}));

export async function openText(name: string) {
  const variant = new Variant(name);
  const clip = await variant.load('text_encoder', new CLIPTextModel(parseCLIPTextConfig(variant.config)));
  const tensor = await variant.tensor<tf.Tensor2D>('ids');
  const ids = await tensor.array();
  tensor.dispose();
  return { variant, clip, ids };
}
