import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionController, Stage } from '../../src/attention/controller';
import { scaledDotProduct, withAttentionBytes } from '../../src/attention/scaledDotProduct';
import { attentionStore } from '../../src/attention/store';
import { AutoencoderKL } from '../../src/model/autoencoderKL';
import { CLIPTextModel } from '../../src/model/clipText';
import { parseCLIPTextConfig, parseUNetConfig, parseVAEConfig } from '../../src/model/config';
import { UNet2DConditionModel } from '../../src/model/unet';
import { size } from '../../src/node/cli/read';
import { attentionBytes, MemoryError, memoryNeeds } from '../../src/session/memory';
import { useBackend } from '../backend';

useBackend();

const unet = new UNet2DConditionModel(parseUNetConfig({ cross_attention_dim: 768, sample_size: 64 }));
const vae = new AutoencoderKL(
  parseVAEConfig({
    block_out_channels: [128, 256, 512, 512],
    down_block_types: Array(4).fill('DownEncoderBlock2D'),
    up_block_types: Array(4).fill('UpDecoderBlock2D'),
    layers_per_block: 2,
    latent_channels: 4,
  }),
);
const textEncoder = new CLIPTextModel(parseCLIPTextConfig({ hidden_size: 768, num_attention_heads: 12 }));
const run = { prompts: 2, steps: 2, latents: { height: 64, width: 64 } };
const rows = ['unconditional', 'conditional'].flatMap((role) => [0, 1].map((prompt) => ({ prompt, role })));
const edit = { run, rows, timesteps: [981, 1], tokens: 77 };
const sd1 = { bytes: unet.bytes + vae.bytes, textEncoder, unet, vae };

test('the maps that a controller wants count, and only those', () => {
  expect(memoryNeeds(sd1, edit).maps).toBe(0);
  expect(memoryNeeds(sd1, { ...edit, controller: attentionStore() }).maps).toBe(3 * 4 * 4 * 8 * 256 * 77);
  expect(memoryNeeds(sd1, { ...edit, controller: attentionStore(() => true) }).maps).toBe(3 * 4 * 4 * 8 * 4096 * 4096);
});

test("maps of the text encoder and of the VAE's decoder count where a controller names their kinds, and no others", () => {
  const mapsOf = (kinds: AttentionController['kinds'], stages: readonly Stage[] = ['probs']): number =>
    memoryNeeds(sd1, { ...edit, controller: { kinds, wants: () => stages } }).maps;
  expect(mapsOf(['text'])).toBe(3 * 4 * 4 * 12 * 77 * 77);
  expect(mapsOf(['vae'])).toBe(3 * 4 * 4096 * 4096); // A picture at a time, of one head.
  expect(mapsOf(['vae'], ['qkv', 'output'])).toBe(0);
  expect(mapsOf(['text', 'cross'])).toBe(3 * 4 * 4 * 8 * 4096 * 77);
  expect(mapsOf(['text', 'vae', 'cross'])).toBe(mapsOf(['vae']));
  expect(mapsOf([])).toBe(0);
});

test('Stable Diffusion fits into 6 GB, not with all of its maps laid out, and not into what its weights take', () => {
  expect(attentionBytes(memoryNeeds(sd1, { ...edit, controller: attentionStore() }), 6e9)).toBe(64 * 2 ** 20);
  const all = memoryNeeds(sd1, { ...edit, controller: attentionStore(() => true) });
  expect(() => attentionBytes(all, 6e9)).toThrow(
    /The run needs about 11\.0 GB, but only 6\.0 GB are allowed: 3\.8 GB for the weights, .* 6\.4 GB for attention\./,
  );
  expect(() => attentionBytes(memoryNeeds(sd1, edit), 3e9)).toThrow(MemoryError);
});

test('a controller that may take a gradient before each step needs memory for it, composed with others too', () => {
  const energy: AttentionController = { wants: () => [], beforeStep: (latents) => latents };
  const needs = (controller?: AttentionController): number => memoryNeeds(sd1, { ...edit, controller }).features;
  expect(needs(energy)).toBeGreaterThan(needs());
  expect(needs(compose(energy, attentionStore()))).toBe(needs(energy));
  expect(needs(compose(attentionStore()))).toBe(needs());
});

test('what is left is for attention, which then takes no more of it', async () => {
  const backend = tf.getBackend();
  await tf.setBackend('cpu'); // Others have a kernel that holds no map.
  const needs = { weights: 5e6, features: 5e6, maps: 0 };
  const bytes = attentionBytes(needs, 40e6);
  expect(bytes).toBe(10e6);
  const [q, k, v] = [1, 2, 3].map((seed) => tf.randomNormal([1, 2, 30, 4], 0, 1, 'float32', seed) as tf.Tensor4D);
  const usual = scaledDotProduct({ q, k, v });
  const largest = (compute: () => tf.Tensor): Promise<number> =>
    tf.profile(compute).then(({ kernels }) => {
      return Math.max(...kernels.filter(({ name }) => name === 'Softmax').map(({ bytesAdded }) => bytesAdded));
    });
  const limit = 4 * 2 * 30 * 7;
  expect(await largest(() => scaledDotProduct({ q, k, v }))).toBeGreaterThan(limit);
  expect(await largest(() => withAttentionBytes(limit, () => scaledDotProduct({ q, k, v })))).toBeLessThanOrEqual(
    limit,
  );
  const small = withAttentionBytes(limit, () => scaledDotProduct({ q, k, v }));
  expect(tf.max(tf.abs(tf.sub(usual, small))).dataSync()[0]).toBeLessThan(1e-6);
  tf.dispose([q, k, v, usual, small]);
  await tf.setBackend(backend);
});

test('sizes are read with their unit', () => {
  expect(['6GB', '800 MB', '1.5GiB', '2gb'].map(size)).toEqual([6e9, 8e8, 1.5 * 2 ** 30, 2e9]);
  for (const wrong of ['6', 'GB', '0GB', '6TB', '-1GB']) expect(() => size(wrong)).toThrow(/6GB/);
});
