/**
 * What does a step of an edit from a recording of its source cost, compared with computing all rows? Every step
 * replaces words, injects self-attention and stores maps; the time includes reading the recording's step from disk. And
 * what does recording cost? With --full also at Stable Diffusion 1.4's size.
 */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { compose } from '../src/attention/compose';
import { FixedContext } from '../src/attention/context';
import type { AttentionController, RunInfo } from '../src/attention/controller';
import { attentionStore } from '../src/attention/store';
import { attentionReplace } from '../src/edits/prompt-to-prompt/crossInjection';
import { selfInjection } from '../src/edits/prompt-to-prompt/selfInjection';
import { fileSink } from '../src/node/fileSink';
import { fileBytes } from '../src/node/fileSource';
import { Playback } from '../src/recording/playback';
import { besideRecorded } from '../src/recording/recordedSource';
import { Recorder } from '../src/recording/recorder';
import { Recording } from '../src/recording/recording';
import type { TokenizedPrompt } from '../src/text/tokenizer';
import { rowsOf } from './editing';
import { inTurns, report, startBackend } from './measure';
import { randomUNet, unetsFor } from './randomUNet';

/** The first of 50 steps. */
const STEP = { step: 0, steps: 50, timestep: 981 };

/** Prompts of three words that differ in the last. */
const prompt = (last: number, length: number): TokenizedPrompt => {
  const pieces = ['a', 'small', String(last)].map((text, i) => ({ text, start: i + 1, end: i + 2 }));
  return {
    text: pieces.map(({ text }) => text).join(' '),
    ids: Array.from({ length }, (_, i) => (i === 3 ? last : i)),
    length: 5,
    pieces,
    lost: '',
  };
};

async function main(): Promise<void> {
  const backend = await startBackend();
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  for (const { name, config, size, tokens, seconds } of unetsFor(backend, 20)) {
    const unet = randomUNet(config);
    const latents = tf.randomNormal<tf.Rank.R4>([4, size, size, config.in_channels]);
    const encoded = tf.randomNormal<tf.Rank.R3>([3, tokens, config.cross_attention_dim]);
    const both = new FixedContext(encoded, [0, 0, 1, 2]);
    const target = both.pick([1, 3]);
    const run: RunInfo = { prompts: 2, steps: 1, latents: { height: size, width: size } };

    const alone = both.pick([0, 2]);
    const record = async (path: string): Promise<tf.Tensor4D> => {
      const noise = tf.slice(latents, 0, 1);
      const settings = {
        prompt: '',
        negative: '',
        seed: '1',
        steps: 1,
        guidance: 7.5,
        projectAbove: 100,
        sampler: 'ddim' as const,
        eta: 0,
        karras: null,
      };
      const how = { to: fileSink(path), self: 1 };
      const model = { text_encoder: '', unet: '', scheduler: '' };
      const recorder = new Recorder(how, { settings, pixelsPerLatent: 1, model });
      await recorder.begin(run, noise);
      const control = {
        controller: recorder.around(),
        evaluation: { ...STEP, steps: 1, latents: run.latents, rows: rowsOf([0]) },
      };
      const prediction = tf.tidy(() => unet.forward(tf.slice(latents, 0, 2), 981, alone, control));
      await recorder.after({ step: 0, latents, prediction });
      noise.dispose();
      return prediction;
    };
    const recorded = join(folder, name);
    (await record(recorded)).dispose();
    console.error(
      `${name}: ${statSync(recorded).size} bytes for a first step with self-attention; later ones take half`,
    );
    const recording = await Recording.open(await fileBytes(recorded));

    const store = attentionStore();
    const prompts = [prompt(100, tokens), prompt(101, tokens)];
    const edit: AttentionController = compose(attentionReplace({ prompts }), selfInjection(), store);
    const evaluation = { ...STEP, latents: run.latents };
    report(
      backend,
      await inTurns(
        {
          [`all 4 rows, ${name}`]: () =>
            unet.forward(latents, 981, both, { controller: edit, evaluation: { ...evaluation, rows: rowsOf([0, 1]) } }),
          [`the target's 2 rows, from a recording, ${name}`]: async () => {
            const playback = new Playback(recording);
            await playback.begin();
            const control = {
              controller: besideRecorded(playback, edit),
              evaluation: { ...evaluation, rows: rowsOf([1]) },
            };
            return tf.tidy(() => unet.forward(tf.slice(latents, 0, 2), 981, target, control));
          },
          [`the source's 2 rows, ${name}`]: () => tf.tidy(() => unet.forward(tf.slice(latents, 0, 2), 981, alone)),
          [`the source's 2 rows, recorded, ${name}`]: () => record(`${recorded} again`),
        },
        seconds,
      ),
      `all 4 rows, ${name}`,
    );
    tf.dispose(latents);
    for (const context of [both, target, alone]) context.dispose();
    store.dispose();
    unet.dispose();
  }
  rmSync(folder, { recursive: true });
}

void main().then(() => process.exit());
