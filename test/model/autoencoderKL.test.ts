import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../backend';
import { testComparisons } from '../parity/testComparisons';
import { openVAE, VAES, vae } from '../parity/vae';

useBackend();

testComparisons(vae);

test.each(VAES)('%s knows how many pixels a latent covers', async (name) => {
  const { variant, vae } = await openVAE(name);
  const [, height, width] = (await variant.tensor('latents')).shape;
  expect((await variant.tensor('decoded')).shape.slice(1, 3)).toEqual([
    height * vae.pixelsPerLatent,
    width * vae.pixelsPerLatent,
  ]);
});

test('a batch of no rows is refused', async () => {
  const { vae } = await openVAE('vae');
  expect(() => vae.encode(tf.zeros([0, 8, 8, 3]))).toThrow('at least one, not [0,8,8,3]');
  expect(() => vae.decode(tf.zeros([0, 2, 2, 4]))).toThrow('at least one, not [0,2,2,4]');
  vae.dispose();
});
