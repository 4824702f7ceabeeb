import * as tf from '@tensorflow/tfjs';
import { AutoencoderKL } from '../../src/model/autoencoderKL';
import { parseVAEConfig } from '../../src/model/config';
import { useBackend } from '../backend';
import { deviation, PARITY, Variant } from './variant';

useBackend();

async function open(name: string) {
  const variant = new Variant(name);
  return { variant, vae: await variant.load('vae', new AutoencoderKL(parseVAEConfig(variant.config))) };
}

describe.each(['vae', 'vae-old-names', 'vae-without-quant-conv'])('%s', (name) => {
  test('decodes what diffusers decodes and leaves no tensor behind', async () => {
    const { variant, vae } = await open(name);
    const latents = await variant.tensor<tf.Tensor4D>('latents');
    const before = tf.memory().numTensors;
    const decoded = vae.decode(latents);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(deviation(decoded, await variant.tensor('decoded'))).toBeLessThan(PARITY);
  });

  test('encodes what diffusers encodes and leaves no tensor behind', async () => {
    const { variant, vae } = await open(name);
    const images = await variant.tensor<tf.Tensor4D>('images');
    const before = tf.memory().numTensors;
    const { mean, std } = vae.encode(images);
    expect(tf.memory().numTensors).toBe(before + 2);
    expect(deviation(mean, await variant.tensor('mean'))).toBeLessThan(PARITY);
    expect(deviation(std, await variant.tensor('std'))).toBeLessThan(PARITY);
  });

  test('knows how many pixels a latent covers', async () => {
    const { variant, vae } = await open(name);
    const [, height, width] = (await variant.tensor('latents')).shape;
    expect((await variant.tensor('decoded')).shape.slice(1, 3)).toEqual([height * vae.pixelsPerLatent, width * vae.pixelsPerLatent]);
  });
});
