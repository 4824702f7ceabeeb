import * as tf from '@tensorflow/tfjs';
import { outsideOfSteps } from '../../src/attention/attend';
import { promptRows } from '../../src/attention/rows';
import { CLIPTextModel } from '../../src/model/clipText';
import { parseCLIPTextConfig } from '../../src/model/config';
import { Variant } from '../model/variant';
import { type Comparison, largestOf, PARITY } from './comparison';
import { Turning } from './turning';

/**
 * Compared with transformers: the states of every layer, and the last after its norm; the gradient with respect to the
 * token embeddings, as in textual inversion; the maps, and the output with changed maps.
 */
export const textEncoder: readonly Comparison[] = ['text-quick-gelu', 'text-gelu'].flatMap((name) => [
  {
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
  },
  {
    part: 'text encoder',
    name: `${name}, gradient`,
    most: PARITY,
    async largest() {
      const { variant, clip, ids } = await openText(name);
      const given = await variant.tensor('last_hidden_state.grad');
      const table = clip.parameters.get('text_model.embeddings.token_embedding.weight')!.value;
      const [ofTable] = tf.grads(() => clip.forward(ids))([table], given);
      given.dispose();
      clip.dispose();
      return largestOf([ofTable, await variant.tensor('token_embedding.grad')]);
    },
  },
  {
    part: 'text encoder',
    name: `${name}, attention turned round`,
    most: PARITY,
    async largest() {
      const { variant, clip, ids } = await openText(name);
      const turning = new Turning('text');
      const [rows, latents] = [promptRows(ids.length), { height: 1, width: ids[0].length }];
      // Recorded first, because changing the first layer's maps changes the later layers' hidden states.
      clip.forward(ids, outsideOfSteps(turning.looking, rows, latents)).dispose();
      const output = clip.forward(ids, outsideOfSteps(turning.controller, rows, latents));
      clip.dispose();
      const pairs: [tf.Tensor, tf.Tensor][] = [[output, await variant.tensor('turned')]];
      for (const [i, probs] of turning.maps.entries()) pairs.push([probs, await variant.tensor(`attentions.${i}`)]);
      return largestOf(...pairs);
    },
  },
]);

export async function openText(name: string) {
  const variant = new Variant(name);
  const clip = await variant.load('text_encoder', new CLIPTextModel(parseCLIPTextConfig(variant.config)));
  const tensor = await variant.tensor<tf.Tensor2D>('ids');
  const ids = await tensor.array();
  tensor.dispose();
  return { variant, clip, ids };
}
