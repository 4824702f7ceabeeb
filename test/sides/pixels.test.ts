/** A pipeline without a VAE: its UNet works on pixels. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { parseUNetConfig } from '../../src/model/config';
import { UNet2DConditionModel } from '../../src/model/unet';
import { openCheckpoint } from '../../src/node/checkpoint';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { TorchGenerator } from '../../src/sampler/noise';
import { useBackend } from '../backend';

useBackend();

const json = JSON.parse(readFileSync('test/fixtures/checkpoint/unet/config.json', 'utf8'));

function onPixels(): UNet2DConditionModel {
  const unet = new UNet2DConditionModel(parseUNetConfig({ ...json, in_channels: 3, out_channels: 3 }));
  const generator = new TorchGenerator(1);
  for (const parameter of unet.parameters.values())
    parameter.assign(generator.randn(parameter.shape).map((number) => 0.1 * number));
  return unet;
}

test('pictures are the latents themselves', async () => {
  const latent = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
  const { tokenizer, textEncoder, scheduler } = latent;
  const unet = onPixels();
  const pipe = new StableDiffusionPipeline({ tokenizer, textEncoder, unet, scheduler });
  expect(pipe.defaultSize).toEqual({ height: 16, width: 16 });
  expect(pipe.size).toBe(textEncoder.size + unet.size);

  const before = tf.memory().numTensors;
  const made = await pipe.generate(['a cat', 'a dog'], { steps: 2, height: 12, memory: 1e9 });
  expect(made.noise.shape).toEqual([1, 12, 16, 3]);
  expect(made.images.shape).toEqual([2, 12, 16, 3]);
  const clipped = tf.clipByValue(made.latents, -1, 1);
  expect(await made.images.data()).toEqual(await clipped.data());
  const back = pipe.toLatents(made.images);
  expect(await back.data()).toEqual(await made.images.data());
  tf.dispose([clipped, back, { ...made }]);
  expect(tf.memory().numTensors).toBe(before);
});

test('a UNet on latents does not fit without its VAE', async () => {
  const { tokenizer, textEncoder, scheduler } = await StableDiffusionPipeline.load(
    await openCheckpoint('test/fixtures/checkpoint'),
  );
  const unet = new UNet2DConditionModel(parseUNetConfig({ ...json, in_channels: 4, out_channels: 3 }));
  expect(() => new StableDiffusionPipeline({ tokenizer, textEncoder, unet, scheduler })).toThrow(
    "The VAE's latent_channels and the UNet's out_channels differ: 4 and 3.",
  );
});
