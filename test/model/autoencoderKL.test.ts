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
