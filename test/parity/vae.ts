import * as tf from '@tensorflow/tfjs';
import { outsideOfSteps } from '../../src/attention/attend';
import { promptRows } from '../../src/attention/rows';
import { AutoencoderKL } from '../../src/model/autoencoderKL';
import { parseVAEConfig } from '../../src/model/config';
import { Variant } from '../model/variant';
import { type Comparison, largestOf, PARITY } from './comparison';
import { Turning } from './turning';

export const VAES = ['vae', 'vae-old-names', 'vae-without-quant-conv'] as const;

/**
 * Compared with diffusers: decoding, encoding and a gradient; the middle blocks' maps, and the output with changed
 * maps.
 */
export const vae: readonly Comparison[] = VAES.flatMap((name) => [
  ...(name === 'vae-without-quant-conv' ? [] : [turnedRound(name)]),
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

function turnedRound(name: string): Comparison {
  return {
    part: 'VAE',
    name: `${name}, attention turned round`,
    most: PARITY,
    async largest() {
      const { variant, vae } = await openVAE(name);
      const [images, latents] = [
        await variant.tensor<tf.Tensor4D>('images'),
        await variant.tensor<tf.Tensor4D>('latents'),
      ];
      const turning = new Turning('vae');
      const [, height, width] = latents.shape;
      const control = outsideOfSteps(turning.controller, promptRows(2), { height, width });
      const looking = outsideOfSteps(turning.looking, promptRows(2), { height, width });
      tf.dispose([...Object.values(vae.encode(images, looking)), vae.decode(latents, looking)]);
      const { mean, std } = vae.encode(images, control);
      const decoded = vae.decode(latents, control);
      const maps = [0, 2].map((first) => tf.concat(turning.maps.slice(first, first + 2)));
      tf.dispose([std, images, latents, turning.maps]);
      vae.dispose();
      return largestOf(
        [mean, await variant.tensor('encoder.turned')],
        [decoded, await variant.tensor('decoder.turned')],
        [maps[0], await variant.tensor('encoder.probs')],
        [maps[1], await variant.tensor('decoder.probs')],
      );
    },
  };
}

export async function openVAE(name: string) {
  const variant = new Variant(name);
  return { variant, vae: await variant.load('vae', new AutoencoderKL(parseVAEConfig(variant.config))) };
}
