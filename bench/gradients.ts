/**
 * How long does a gradient through the UNet with respect to the latents and the context take, for one row, compared
 * with the forward pass? With --full also at Stable Diffusion 1.4's size, with the process's peak memory.
 */
import * as tf from '@tensorflow/tfjs';
import { inTurns, report, startBackend } from './measure';
import { randomUNet, unetsFor } from './randomUNet';

async function main(): Promise<void> {
  const backend = await startBackend();
  for (const { name, config, size, tokens, seconds } of unetsFor(backend, 8)) {
    const unet = randomUNet(config);
    const latents = tf.randomNormal<tf.Rank.R4>([1, size, size, config.in_channels]);
    const context = tf.randomNormal<tf.Rank.R3>([1, tokens, config.cross_attention_dim]);
    const gradients = tf.grads((x: tf.Tensor, c: tf.Tensor) =>
      tf.sum(tf.square(unet.forward(x as tf.Tensor4D, 981, c as tf.Tensor3D))),
    );
    const forward = `forward, ${name}, 1 row`;
    const timings = await inTurns(
      {
        [forward]: () => unet.forward(latents, 981, context),
        [`forward and backward, ${name}, 1 row`]: () => {
          const [ofLatents, ofContext] = gradients([latents, context]);
          ofContext.dispose();
          return ofLatents;
        },
      },
      seconds,
    );
    report(backend, timings, forward);
    if (name !== 'embedded')
      console.log(JSON.stringify({ backend: backend.name, work: name, peak: 1024 * process.resourceUsage().maxRSS }));
    tf.dispose([latents, context]);
    unet.dispose();
  }
}

void main().then(() => process.exit());
