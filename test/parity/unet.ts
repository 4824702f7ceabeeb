import * as tf from '@tensorflow/tfjs';
import { parseUNetConfig } from '../../src/model/config';
import { UNet2DConditionModel } from '../../src/model/unet';
import { Variant } from '../model/variant';
import { type Comparison, largestOf, PARITY } from './comparison';

/** Predictions and gradients, compared with diffusers'. */
export const unet: readonly Comparison[] = ['unet-sd1', 'unet-sd2', 'unet-mixed'].flatMap((name) => [
  {
    part: 'UNet',
    name,
    most: PARITY,
    async largest() {
      const { variant, unet, latents, context, timestep } = await openUNet(name);
      const prediction = unet.forward(latents, timestep, context);
      tf.dispose([latents, context]);
      unet.dispose();
      return largestOf([prediction, await variant.tensor('prediction')]);
    },
  },
  {
    part: 'UNet',
    name: `${name}, gradients`,
    most: PARITY,
    async largest() {
      const { variant, unet, latents, context, timestep } = await openUNet(name);
      const given = await variant.tensor('prediction.grad');
      const predict = (x: tf.Tensor, c: tf.Tensor) => unet.forward(x as tf.Tensor4D, timestep, c as tf.Tensor3D);
      const [ofLatents, ofContext] = tf.grads(predict)([latents, context], given);
      tf.dispose([latents, context, given]);
      unet.dispose();
      return largestOf(
        [ofLatents, await variant.tensor('latents.grad')],
        [ofContext, await variant.tensor('context.grad')],
      );
    },
  },
]);

export async function openUNet(name: string) {
  const variant = new Variant(name);
  const unet = await variant.load('unet', new UNet2DConditionModel(parseUNetConfig(variant.config)));
  const latents = await variant.tensor<tf.Tensor4D>('latents');
  const context = await variant.tensor<tf.Tensor3D>('context');
  const tensor = await variant.tensor('timestep');
  const [timestep] = await tensor.data();
  tensor.dispose();
  return { variant, unet, latents, context, timestep };
}
