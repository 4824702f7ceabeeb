/**
 * What does it take to invert a picture and edit it once, and what takes each further edit, from its recording? The
 * embedded model, by direct inversion, in 10 steps of DDIM where 50 are usual. Decoding is left out.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { type Inversion, invert } from '../src/invert';
import { fileSink } from '../src/node/fileSink';
import { fileBytes } from '../src/node/fileSource';
import { loadPipeline } from '../src/node/index';
import type { RunOptions } from '../src/options';
import { Recording } from '../src/recording/recording';
import { inTurns, report, startBackend } from './measure';

const PROMPTS = ['a red house on a beach', 'a castle on a beach'];
const STEPS = 10;

async function main(): Promise<void> {
  const backend = await startBackend();
  const pipe = await loadPipeline('emoji-world');
  const { in_channels: channels, sample_size: size } = pipe.unet.config;
  const side = size as number;
  const picture = tf.randomNormal<tf.Rank.R4>([1, side, side, channels]);
  const inverted = (): Promise<Inversion> =>
    invert(pipe, picture, { prompt: PROMPTS[0], sampler: 'ddim', steps: STEPS });
  const edited = async (options: (edit: ReturnType<typeof promptToPrompt>) => RunOptions): Promise<tf.Tensor> => {
    const edit = promptToPrompt({ tokenizer: pipe.tokenizer, prompts: PROMPTS });
    let last: tf.Tensor | undefined;
    for await (const { latents } of pipe.run(PROMPTS, options(edit))) {
      last?.dispose();
      last = latents.clone();
    }
    return last!;
  };

  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const path = join(folder, 'picture.recording');
  const inversion = await inverted();
  await inversion.record(pipe, { to: fileSink(path), self: 1 });
  inversion.dispose();
  const recording = await Recording.open(await fileBytes(path));
  report(
    backend,
    await inTurns(
      {
        'invert and edit once': async () => {
          const once = await inverted();
          const latents = await edited((edit) => once.options(edit));
          once.dispose();
          return latents;
        },
        'a further edit': () => edited((controller) => ({ recording, controller })),
      },
      10,
    ),
    'invert and edit once',
  );
  picture.dispose();
  pipe.dispose();
  rmSync(folder, { recursive: true });
}

void main().then(() => process.exit());
