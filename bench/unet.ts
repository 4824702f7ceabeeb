/** How long is a step of the UNet, for two prompts with guidance: 4 rows of latents? With --full at Stable Diffusion 1.4's size too. */
import * as tf from '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { parseUNetConfig } from '../src/model/config';
import { UNet2DConditionModel } from '../src/model/unet';
import { full, inTurns, report, startBackend } from './measure';

const MODELS = [
  { name: 'embedded', config: 'weights/emoji-world/unet/config.json', size: 16, tokens: 24, seconds: 10 },
  ...(full ? [{ name: 'SD 1.4', config: 'bench/unetSd14.json', size: 64, tokens: 77, seconds: 60 }] : []),
];

async function main(): Promise<void> {
  const backend = await startBackend();
  for (const { name, config: file, size, tokens, seconds } of MODELS) {
    if (name === 'SD 1.4' && backend.name === 'wasm') continue; // Its memory does not hold it.
    const config = parseUNetConfig(JSON.parse(readFileSync(file, 'utf8')));
    const unet = new UNet2DConditionModel(config);
    for (const parameter of unet.parameters.values()) {
      const values = tf.randomUniform([...parameter.shape], -0.03, 0.03);
      parameter.assign(values.dataSync() as Float32Array);
      values.dispose();
    }
    const latents = tf.randomNormal<tf.Rank.R4>([4, size, size, config.in_channels]);
    const context = tf.randomNormal<tf.Rank.R3>([4, tokens, config.cross_attention_dim]);
    report(backend, await inTurns({ [`UNet step, ${name}, 4 rows`]: () => unet.forward(latents, 500, context) }, seconds));
    tf.dispose([latents, context]);
    unet.dispose();
  }
}

void main().then(() => process.exit());
