/**
 * How long does it take to invert a picture and edit it once, and how long for each further edit from its recording? By
 * direct inversion, with fewer than the usual 50 steps of DDIM, to which all times are proportional. And what do a step
 * of null-text inversion and the peak memory come to? With the embedded model's UNet; with --full also Stable Diffusion
 * 1.4's. Without a VAE.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { BackendInfo } from '../src/backend/backendInfo';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { nullTextOptimization } from '../src/inversion/nullText';
import { type Inversion, invert } from '../src/invert';
import { CLIPTextModel } from '../src/model/clipText';
import { parseCLIPTextConfig } from '../src/model/config';
import { fileSink } from '../src/node/fileSink';
import { fileBytes } from '../src/node/fileSource';
import type { RunOptions } from '../src/options';
import { StableDiffusionPipeline } from '../src/pipeline';
import { Recording } from '../src/recording/recording';
import { createSampler } from '../src/sampler/createSampler';
import type { DDIMSampler } from '../src/sampler/ddim';
import { PROMPTS, words } from './editing';
import { inTurns, report, startBackend } from './measure';
import { randomised, randomUNet, type UNetToMeasure, unetsFor } from './randomUNet';

const [SOURCE, TARGET] = PROMPTS;
/** Steps of DDIM, and iterations of Adam in a step of null-text inversion, by the UNet's name. */
const SCALE = { embedded: { steps: 10, iterations: 10 }, 'SD 1.4': { steps: 1, iterations: 2 } } as const;

async function main(): Promise<void> {
  const backend = await startBackend();
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  for (const unet of unetsFor(backend, 10)) await measure(unet, backend, join(folder, 'picture.recording'));
  rmSync(folder, { recursive: true });
}

async function measure({ name, config, size, tokens, seconds }: UNetToMeasure, backend: BackendInfo, path: string) {
  const { steps, iterations } = SCALE[name as keyof typeof SCALE];
  const pipe = pipelineOf(randomUNet(config), tokens);
  const picture = tf.randomNormal<tf.Rank.R4>([1, size, size, config.in_channels]);
  const inverted = (): Promise<Inversion> => invert(pipe, picture, { prompt: SOURCE, steps });
  const inversion = await inverted();
  await inversion.record(pipe, { to: fileSink(path), self: 1 });
  const recording = await Recording.open(await fileBytes(path));
  const edited = (options: RunOptions): Promise<tf.Tensor> => lastOf(pipe.run([SOURCE, TARGET], options));
  const edit = () => promptToPrompt({ tokenizer: pipe.tokenizer, prompts: [SOURCE, TARGET] });

  const sampler = createSampler(pipe.scheduler, { sampler: 'ddim', steps }) as DDIMSampler;
  const [conditional, unconditional] = tf.tidy(() => tf.split(pipe.encode([SOURCE, '']), 2));
  const nullText = async (): Promise<tf.Tensor> => {
    const found = nullTextOptimization({
      sampler,
      trajectory: inversion.trajectory,
      network: (latents, step, context) => pipe.unet.forward(latents, sampler.timesteps[step], context),
      conditional: conditional as tf.Tensor3D,
      unconditional: unconditional as tf.Tensor3D,
      iterations,
      epsilon: 0,
    });
    const { value } = await found.next();
    await found.return();
    return value!.embedding;
  };

  const once = `invert and edit once, ${name}`;
  const optimised = `a step of null-text, ${name}, ${iterations} iterations`;
  const timings = await inTurns(
    {
      [once]: async () => {
        const fresh = await inverted();
        const latents = await edited(fresh.options(edit()));
        fresh.dispose();
        return latents;
      },
      [`a further edit, ${name}`]: () => edited({ recording, controller: edit() }),
      [optimised]: nullText,
    },
    seconds,
  );
  const { [optimised]: ofNullText, ...ofEdits } = timings;
  report(backend, ofEdits, once);
  report(backend, { [optimised]: ofNullText });
  if (name !== 'embedded')
    console.log(JSON.stringify({ backend: backend.name, work: name, peak: 1024 * process.resourceUsage().maxRSS }));
  tf.dispose([picture, conditional, unconditional]);
  inversion.dispose();
  pipe.dispose();
}

/** A pipeline around a UNet, with a one-layer text encoder and no VAE. */
function pipelineOf(unet: ReturnType<typeof randomUNet>, tokens: number): StableDiffusionPipeline {
  const file = 'weights/emoji-world/scheduler/scheduler_config.json';
  const text = {
    vocab_size: 16,
    hidden_size: unet.config.cross_attention_dim,
    num_hidden_layers: 1,
    max_position_embeddings: tokens,
  };
  return new StableDiffusionPipeline({
    tokenizer: words(tokens),
    textEncoder: randomised(new CLIPTextModel(parseCLIPTextConfig(text))),
    unet,
    scheduler: { file, json: JSON.parse(readFileSync(file, 'utf8')) },
  });
}

async function lastOf(steps: AsyncIterable<{ readonly latents: tf.Tensor }>): Promise<tf.Tensor> {
  let last: tf.Tensor | undefined;
  for await (const { latents } of steps) {
    last?.dispose();
    last = latents.clone();
  }
  return last!;
}

void main().then(() => process.exit());
