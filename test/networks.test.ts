import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../src/config';
import { CheckpointError } from '../src/errors';
import { networksOf } from '../src/networks';
import { type Checkpoint, NETWORKS } from '../src/weights/checkpoint';

/** The configs of Stable Diffusion 1.4, but for the UNet's input. */
function withInput(inChannels: number): Checkpoint {
  const config: Checkpoint['config'] = async (part) => {
    const json = JSON.parse(readFileSync(join(__dirname, `fixtures/model/hub/sd-1.4/${part}.json`), 'utf8'));
    return { file: `painter/${part}/config.json`, json: part === 'unet' ? { ...json, in_channels: inChannels } : json };
  };
  return { name: 'painter', networks: NETWORKS, config } as Partial<Checkpoint> as Checkpoint;
}

test('networks are made as the configs say', async () => {
  const { unet, vae, textEncoder } = await networksOf(withInput(4));
  expect([unet.config.block_out_channels, vae.pixelsPerLatent, textEncoder.config.hidden_size]).toEqual([
    [320, 640, 1280, 1280],
    8,
    768,
  ]);
});

test('without a VAE latents are the pictures', async () => {
  const { vae } = await networksOf({ ...withInput(4), networks: ['text_encoder', 'unet'] });
  expect([vae.pixelsPerLatent, vae.config.latent_channels, vae.parameters.size]).toEqual([1, 4, 0]);
});

test.each([
  [
    'unet',
    { _class_name: 'UNet3DConditionModel' },
    '_class_name is "UNet3DConditionModel"; supported: "UNet2DConditionModel"',
  ],
  ['vae', { _class_name: 'constructor' }, '_class_name is "constructor"; supported: "AutoencoderKL"'],
  ['vae', { _class_name: ['AutoencoderKL'] }, '_class_name is ["AutoencoderKL"]; supported: "AutoencoderKL"'],
  ['text_encoder', { model_type: 't5' }, 'model_type is "t5"; supported: "clip_text_model"'],
])('a %s of an unknown class is refused: %p', async (part, change, message) => {
  const painter = withInput(4);
  const config: Checkpoint['config'] = async (name) => {
    const { file, json } = await painter.config(name);
    return { file, json: name === part ? { ...(json as object), ...change } : json };
  };
  const making = networksOf({ ...painter, config });
  await expect(making).rejects.toBeInstanceOf(ConfigError);
  await expect(making).rejects.toThrow(`painter/${part}/config.json: ${message}`);
  await expect(making).rejects.toThrow(/; supported: "\w+"(?:, "\w+")*\.$/);
});

test.each([
  [9, /takes 9 channels where latents have 4\. It is a model for inpainting;/],
  [8, /InstructPix2Pix/],
  [7, /upscaling/],
  [5, /depth/],
  [6, /takes 6 channels where latents have 4\. Only models/],
])('a UNet of %d channels is refused by what it is for', async (channels, message) => {
  const making = networksOf(withInput(channels));
  await expect(making).rejects.toBeInstanceOf(CheckpointError);
  await expect(making).rejects.toThrow(/^painter cannot be used: its UNet/);
  await expect(making).rejects.toThrow(message);
});
