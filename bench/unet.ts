/**
 * How long does a step of the UNet for two prompts with guidance, 4 rows of latents, take: alone, and with an edit that
 * replaces words, injects self-attention and stores the maps? With --full also at Stable Diffusion 1.4's size.
 */
import * as tf from '@tensorflow/tfjs';
import { FixedContext } from '../src/attention/context';
import type { Evaluation } from '../src/attention/controller';
import { editOf, rowsOf } from './editing';
import { inTurns, report, startBackend } from './measure';
import { randomUNet, unetsFor } from './randomUNet';

async function main(): Promise<void> {
  const backend = await startBackend();
  for (const { name, config, size, tokens, seconds } of unetsFor(backend, 8)) {
    const unet = randomUNet(config);
    const latents = tf.randomNormal<tf.Rank.R4>([4, size, size, config.in_channels]);
    const prompts = tf.randomNormal<tf.Rank.R3>([3, tokens, config.cross_attention_dim]);
    const context = new FixedContext(prompts, [0, 0, 1, 2]); // Both unconditional rows share the empty text.
    const { controller, store } = editOf(2, tokens);
    const evaluation: Evaluation = {
      step: 0,
      steps: 50,
      timestep: 981,
      latents: { height: size, width: size },
      rows: rowsOf([0, 1]),
    };
    report(
      backend,
      await inTurns(
        {
          [`UNet step, ${name}, 4 rows`]: () => unet.forward(latents, 981, context),
          [`edit step, ${name}, 4 rows`]: () => unet.forward(latents, 981, context, { controller, evaluation }),
        },
        seconds,
      ),
    );
    latents.dispose();
    context.dispose();
    store.dispose();
    unet.dispose();
  }
}

void main().then(() => process.exit());
