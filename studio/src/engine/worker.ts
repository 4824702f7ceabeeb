import * as tf from '@tensorflow/tfjs';
import { type Checkpoint, type Picture, StableDiffusionPipeline } from 'prompt-to-prompt-tfjs';
import { openCheckpoint } from 'prompt-to-prompt-tfjs/browser';
import { startBackend } from './backends';
import { ControllerError } from './custom';
import { watchDevice } from './device';
import { Engine } from './engine';
import type { Backend, ModelInfo, ModelPlace, Report, Request } from './protocol';
import { plainShares } from './shares';

/** The seed of the first picture. */
const SEED = 4;
/** More words are too long a list to choose from. */
const MAX_WORDS = 2000;

let engine: Promise<Engine> | undefined;
/** The user's own pictures, by name. */
const pictures = new Map<string, Picture>();
/** The abort controllers of the newest request, and of its draft and those before it. */
let current = new AbortController();
let drafts = new AbortController();
/** Resolves when nothing is being computed. */
let working: Promise<void> = Promise.resolve();

const tell = (report: Report): void => postMessage(report);

void navigator.locks?.request(self.name, () => {
  tell({ type: 'alive' });
  return new Promise(() => undefined);
});

addEventListener('message', ({ data }: MessageEvent<Request>) => {
  if (data.type === 'picture') return void pictures.set(data.name, data.picture);
  current.abort();
  current = new AbortController();
  if (data.type !== 'render' || !data.coarse) {
    drafts.abort();
    drafts = new AbortController();
  }
  if (data.type === 'stop') return tell({ type: 'stopped' });
  const [{ signal }, { signal: draft }] = [current, drafts];
  const id = 'id' in data ? data.id : undefined;
  working = working.then(async () => {
    try {
      await answer(data, signal, draft);
    } catch (error) {
      if (!signal.aborted) tell(failure(error as Error, id));
    }
  });
});

async function answer(
  request: Exclude<Request, { type: 'stop' | 'picture' }>,
  signal: AbortSignal,
  draft: AbortSignal,
): Promise<void> {
  if (request.type === 'load') {
    engine = load(request.model, request.backend);
    await engine;
    return;
  }
  if (signal.aborted) return;
  const loaded = await engine!;
  if (request.type === 'render') await loaded.render(request, signal, draft);
  else await loaded.strip(request.id, request.recipes, signal);
}

async function load(model: ModelPlace, backend?: Backend): Promise<Engine> {
  const notes: string[] = [];
  const started = await startBackend(backend, (note) => notes.push(note));
  watchDevice(tf.backend(), (message) => tell({ type: 'failed', from: 'device', message }));
  const clipMerges = new URL('../clip/merges.txt.gz', location.href).href; // Workers are in assets/.
  const checkpoint = await openCheckpoint(model, {
    clipMerges,
    onDownload: (done, total) => tell({ type: 'loading', what: 'Downloading the model', done, total }),
  });
  await checkSize(checkpoint, started.name as Backend);
  const pipeline = await StableDiffusionPipeline.load(checkpoint, {
    onProgress: (done, total) => tell({ type: 'loading', what: 'Loading the model', done, total }),
  });
  const { width, height } = pipeline.defaultSize;
  const pixels = pipeline.vae.pixelsPerLatent;
  const { steps, guidance, sampler, shares } = pipeline.defaults;
  const { words = [] } = pipeline.tokenizer;
  const info: ModelInfo = {
    name: checkpoint.name,
    width,
    height,
    grid: { width: width / pixels, height: height / pixels },
    tokens: pipeline.tokenizer.maxLength,
    words: words.length > MAX_WORDS ? [] : [...words].sort(),
    backend: started.name as Backend,
    threads: started.threads,
    device: started.device,
    notes,
    defaults: {
      seed: SEED,
      steps,
      guidance,
      sampler,
      shares: plainShares(shares),
      pictureGuidance: pipeline.defaults.pictures.guidance,
    },
  };
  tell({ type: 'ready', info });
  return new Engine(pipeline, pictures, tell);
}

/** wasm can address 4 GiB, part of which is needed for the pictures. */
const WASM_BYTES = 3 * 2 ** 30;

/** @throws Error that says why the model does not fit here */
async function checkSize(checkpoint: Checkpoint, backend: Backend): Promise<void> {
  let numbers = 0;
  for (const part of ['text_encoder', 'unet', 'vae'] as const) {
    for (const { shape } of (await checkpoint.weights(part)).tensors.values())
      numbers += shape.reduce((product, side) => product * side, 1);
  }
  const bytes = 4 * numbers;
  if (backend === 'wasm' && bytes > WASM_BYTES) {
    const gigabytes = (bytes / 2 ** 30).toFixed(1);
    throw new Error(
      `${checkpoint.name} takes ${gigabytes} GiB in memory, and WebAssembly has room for 3 GiB of weights. A browser with WebGPU and a graphics card can hold it; so can the command line: npx p2p edit --model ...`,
    );
  }
}

function failure(error: Error, id?: number): Report {
  if (error instanceof ControllerError)
    return { type: 'failed', id, message: error.message, line: error.line, from: 'controller' };
  if (/memory|allocation failed|out of bounds/i.test(error.message) || error instanceof WebAssembly.RuntimeError) {
    return {
      type: 'failed',
      id,
      from: 'memory',
      message: `The memory is full: ${error.message}. Close other tabs or use a smaller model. The worker was restarted; none of your work is lost.`,
    };
  }
  return { type: 'failed', id, message: error.message };
}
