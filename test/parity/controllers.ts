/** Controllers against the authors' own, on random maps: see test/fixtures/attention.py. */
import * as tf from '@tensorflow/tfjs';
import type {
  AttentionCall,
  AttentionController,
  AttentionKind,
  Evaluation,
  Place,
  Qkv,
} from '../../src/attention/controller';
import { promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { openCheckpoint } from '../../src/node/checkpoint';
import { TorchGenerator } from '../../src/sampler/noise';
import { CLIPTokenizer } from '../../src/text/tokenizer';
import { type Case, readCases, Tensors } from '../attention/fixture';
import { evaluation } from '../attention/mapLayer';
import { type Comparison, deviation, largestOf } from './comparison';

export const STEPS = 10;
const SITES = sites('down cross 1x2', 'down self 1x2', 'up cross 1x3');
const BLEND_SITES = sites(
  'down cross 32x32',
  'down cross 32x32',
  'down cross 16x16',
  'down cross 16x16',
  'mid cross 8x8',
  'up cross 16x16',
  'up cross 16x16',
  'up cross 16x16',
  'up cross 32x32',
);

/** Compares the maps of edits without local blend, and the latents of those with it. */
export const controllers: readonly Comparison[] = readCases().map((edit) =>
  edit.blend
    ? { part: 'controllers', name: `${edit.name}, latents`, most: 1e-5, largest: () => latentsOf(edit) }
    : { part: 'controllers', name: `${edit.name}, maps`, most: 2e-5, largest: () => mapsOf(edit) },
);

async function open({ name, kind, ...edit }: Case) {
  const tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  return {
    controller: promptToPrompt({ tokenizer, ...edit, edit: kind, alignment: 'authors' }),
    tokens: tokenizer.maxLength,
    expected: await Tensors.open('controllers.safetensors'),
    name,
  };
}

async function mapsOf(edit: Case): Promise<number> {
  const { controller, tokens, expected, name } = await open(edit);
  const count = edit.prompts.length;
  let largest = 0;
  for (let step = 0; step < STEPS; step++) {
    for (const [i, site] of SITES.entries()) {
      const call = at(site, evaluation({ prompts: count, step, steps: STEPS }), 2, tokens);
      const { others, same, targets } = tf.tidy(() => {
        const { before, after } = ask(controller, call, step * 100 + i);
        return {
          others: tf.slice(after, 0, count + 1),
          same: tf.slice(before, 0, count + 1),
          targets: tf.slice(after, count + 1),
        };
      });
      if ((await deviation(others, same)) !== 0)
        throw new Error(`${name} changes rows of the source, or without a prompt.`);
      tf.dispose([others, same]);
      largest = Math.max(largest, await largestOf([targets, await expected.read(`${name}.probs.${step}.${i}`)]));
    }
  }
  return largest;
}

async function latentsOf(edit: Case): Promise<number> {
  const { controller, tokens, expected, name } = await open(edit);
  const count = edit.prompts.length;
  const latents = { height: 32, width: 32 };
  let largest = 0;
  controller.begin!({ prompts: count, steps: STEPS, latents });
  for (let step = 0; step < STEPS; step++) {
    const now = evaluation({ prompts: count, step, steps: STEPS, latents });
    for (const [i, site] of BLEND_SITES.entries()) {
      const call = at(site, now, 1, tokens);
      if (controller.wants(call).length > 0)
        tf.tidy(() => {
          ask(controller, call, i);
        });
    }
    const targets = tf.tidy(() => {
      const before = tf.tensor4d(randn(step, [count, 1, 32, 32]), [count, 32, 32, 1]);
      return tf.slice(controller.onLatents!(before, now), 1);
    });
    largest = Math.max(largest, await largestOf([targets, await expected.read(`${name}.latents.${step}`)]));
  }
  controller.end!();
  return largest;
}

interface Site {
  readonly place: Place;
  readonly kind: AttentionKind;
  readonly height: number;
  readonly width: number;
}

function sites(...names: string[]): Site[] {
  return names.map((name) => {
    const [place, kind, size] = name.split(' ');
    const [height, width] = size.split('x').map(Number);
    return { place: place as Place, kind: kind as AttentionKind, height, width };
  });
}

function at({ place, kind, height, width }: Site, now: Evaluation, heads: number, tokens: number): AttentionCall {
  const keys = kind === 'self' ? height * width : tokens;
  return {
    ...now,
    site: { path: `${place}.${height}x${width}`, kind, place, heads, headSize: 4 },
    grid: { height, width },
    keys,
  };
}

/** Random maps as in the fixture's script, before and after a controller. */
function ask(
  controller: AttentionController,
  call: AttentionCall,
  seed: number,
): { before: tf.Tensor4D; after: tf.Tensor4D } {
  const {
    site: { kind, heads, headSize },
    grid,
    keys,
    rows,
  } = call;
  const queries = grid.height * grid.width;
  const wanted = controller.wants(call);
  if (kind === 'self') {
    const shape: [number, number, number, number] = [rows.length, heads, queries, headSize];
    const size = shape.reduce((a, b) => a * b);
    const numbers = randn(seed, [2, ...shape]);
    const [q, k] = [tf.tensor4d(numbers.slice(0, size), shape), tf.tensor4d(numbers.slice(size), shape)];
    const probs = (x: Pick<Qkv, 'q' | 'k'>): tf.Tensor4D =>
      tf.softmax(tf.matMul(tf.mul(x.q, headSize ** -0.5), x.k, false, true)) as tf.Tensor4D;
    return {
      before: probs({ q, k }),
      after: probs(wanted.includes('qkv') ? controller.onQkv!({ q, k, v: q }, call) : { q, k }),
    };
  }
  const shape: [number, number, number, number] = [rows.length, heads, queries, keys];
  const before = tf.softmax(tf.mul(tf.tensor4d(randn(seed, shape), shape), 6)) as tf.Tensor4D;
  const after = wanted.includes('probs') ? controller.onProbs!(before, call) : before;
  return { before, after };
}

const drawn = new Map<string, Float32Array>();

/** `torch.randn`, cached because jest makes every call of Math slow. */
function randn(seed: number, shape: readonly number[]): Float32Array {
  const key = `${seed} ${shape}`;
  const numbers = drawn.get(key) ?? new TorchGenerator(seed).randn(shape);
  drawn.set(key, numbers);
  return numbers;
}
