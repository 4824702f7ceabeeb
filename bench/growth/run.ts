import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { FixedContext } from '../../src/attention/context';
import { classifierFree } from '../../src/guidance/classifierFree';
import { parseUNetConfig } from '../../src/model/config';
import { createSampler } from '../../src/sampler/createSampler';
import { denoise, type Predict } from '../../src/sampler/denoise';
import { editOf, rowsOf } from '../editing';
import { randomUNet } from '../randomUNet';
import type { Point } from './points';

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

/** How rows are used: one prompt, a source and a target without guidance, or from four rows on with guidance. */
const promptsOf = (rows: number): { readonly prompts: number; readonly guidance: number } =>
  rows > 2 ? { prompts: rows / 2, guidance: 7.5 } : { prompts: rows, guidance: 1 };

/**
 * Prepares a point's run of the sampler on a network of random weights.
 *
 * @returns a function that runs a number of steps
 */
export function runOf({
  config: file,
  tokens,
  work,
  rows,
  latents: size,
  share,
}: Point): (steps: number) => Promise<void> {
  const config = parseUNetConfig(readJson(file));
  const unet = randomUNet(config);
  const { prompts, guidance } = promptsOf(rows);
  const context = new FixedContext(
    tf.randomNormal([rows, tokens, config.cross_attention_dim]),
    Array.from({ length: rows }, (_, row) => row),
  );
  const latents = tf.randomNormal<tf.Rank.R4>([prompts, size, size, config.in_channels]);
  const scheduler = {
    file: 'scheduler_config.json',
    json: readJson('weights/emoji-world/scheduler/scheduler_config.json'),
  };
  const controller = work === 'edit' ? editOf(prompts, tokens, share).controller : undefined;
  const evaluated = rowsOf(
    Array.from({ length: prompts }, (_, prompt) => prompt),
    guidance !== 1,
  );

  return async (steps) => {
    const grid = { height: size, width: size };
    controller?.begin?.({ prompts, steps, latents: grid });
    const predict: Predict = (current, timestep, step) => {
      const all = unet.forward(
        tf.concat(Array(rows / prompts).fill(current)),
        timestep,
        context,
        controller && { controller, evaluation: { step, steps, timestep, latents: grid, rows: evaluated } },
      );
      const [conditional, unconditional = conditional] = (tf.split(all, rows / prompts) as tf.Tensor4D[]).reverse();
      const at = {
        step,
        steps,
        timestep,
        prompts: [...Array(prompts).keys()],
        latents: current,
        original: (prediction: tf.Tensor4D) => prediction,
        evaluate: () => current,
      };
      return classifierFree(guidance).guide(conditional, { conditional, unconditional }, at);
    };
    for await (const _ of denoise({ sampler: createSampler(scheduler, { steps }), latents, predict })); // Each step waits for its result.
    controller?.end?.();
  };
}
