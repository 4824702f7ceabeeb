import * as tf from '@tensorflow/tfjs';
import { AutoencoderKL } from '../../src/model/autoencoderKL';
import { parseVAEConfig } from '../../src/model/config';
import { Variant } from '../model/variant';
import { type Comparison, largestOf, PARITY } from './comparison';

export const VAES = ['vae', 'vae-old-names', 'vae-without-quant-conv'] as const;

/** What it decodes and encodes, and a gradient, against diffusers'. */
export const vae: readonly Comparison[] = VAES.flatMap((name) => [
  {
    part: 'VAE',
    name: `${name}, decoding`,
    most: PARITY,
    async largest() {
      const { variant, vae } = await openVAE(name);
      const latents = await variant.tensor<tf.Tensor4D>('latents');
      const decoded = vae.decode(latents);
      latents.dispose();
      vae.dispose();
      return largestOf([decoded, await variant.tensor('decoded')]);
    },
  },
  {
    part: 'VAE',
    name: `${name}, gradient of decoding`,
    most: PARITY,
    async largest() {
      const { variant, vae } = await openVAE(name);
      const latents = await variant.tensor<tf.Tensor4D>('latents');
      const given = await variant.tensor('decoded.grad');
      const ofLatents = tf.grad((x: tf.Tensor) => vae.decode(x as tf.Tensor4D))(latents, given);
      tf.dispose([latents, given]);
      vae.dispose();
      return largestOf([ofLatents, await variant.tensor('latents.grad')]);
    },
  },
  {
    part: 'VAE',
    name: `${name}, encoding`,
    most: PARITY,
    async largest() {
      const { variant, vae } = await openVAE(name);
      const images = await variant.tensor<tf.Tensor4D>('images');
      const { mean, std } = vae.encode(images);
      images.dispose();
      vae.dispose();
      return largestOf([mean, await variant.tensor('mean')], [std, await variant.tensor('std')]);
    },
  },
]);

export async function openVAE(name: string) {
  const variant = new Variant(name);
  return { variant, vae: await variant.load('vae', new AutoencoderKL(parseVAEConfig(variant.config))) };
}
