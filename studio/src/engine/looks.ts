import * as tf from '@tensorflow/tfjs';
import {
  type AttentionCall,
  type AttentionController,
  conditionalRows,
  type TokenizedPrompt,
  tokensOf,
} from 'prompt-to-prompt-tfjs';
import type { LayerLooks, WordLooks } from './protocol';

/** The largest grid whose maps are kept, in queries: at 512 pixels, larger ones would fill the memory. */
const MAX_QUERIES = 32 * 32;

/** Records the attention to every prompt's words, by step, and by layer and head. */
export interface LooksRecorder extends AttentionController {
  /** @returns by prompt; the run must have ended */
  read(): Promise<WordLooks[]>;
  dispose(): void;
}

interface Layer {
  readonly call: AttentionCall;
  /** By prompt: [heads, cells, words], summed over steps. */
  readonly sums: Map<number, tf.Tensor3D>;
}

/** @param prompts the run's prompts, the source's first */
export function recordLooks(prompts: readonly TokenizedPrompt[]): LooksRecorder {
  const words = prompts.map(({ text }) => text.split(/\s+/).filter((word) => word !== ''));
  const columns = prompts.map((prompt, i) =>
    tf.tensor2d(columnsOf(prompt, words[i]), [prompt.ids.length, Math.max(1, words[i].length)]),
  );
  const layers = new Map<string, Layer>();
  /** [step][prompt]: [cells, words], summed over the layers of one grid. */
  const steps: Map<number, { sum: tf.Tensor2D; layers: number; cells: number }>[] = [];

  const ofSteps = (call: AttentionCall, prompt: number, mean: tf.Tensor2D): void => {
    const { height, width } = call.grid;
    if (height * width > Math.max(256, (call.latents.height * call.latents.width) / 16)) return;
    const step = (steps[call.step] ??= new Map());
    const before = step.get(prompt);
    if (before && before.cells > mean.shape[0]) return;
    const same = before?.cells === mean.shape[0] ? before : undefined;
    step.set(prompt, {
      sum: tf.keep(same ? tf.add(same.sum, mean) : tf.clone(mean)),
      layers: (same?.layers ?? 0) + 1,
      cells: mean.shape[0],
    });
    before?.sum.dispose();
  };

  return {
    wants: (call) =>
      call.site.kind === 'cross' &&
      call.grid.height * call.grid.width <= MAX_QUERIES &&
      conditionalRows(call).length > 0
        ? ['probs']
        : [],
    onProbs(probs, call) {
      const [, heads, cells, tokens] = probs.shape;
      const layer = layers.get(call.site.path) ?? { call, sums: new Map<number, tf.Tensor3D>() };
      layers.set(call.site.path, layer);
      for (const { row, prompt } of conditionalRows(call)) {
        const map = tf.reshape(tf.slice(probs, [row, 0, 0, 0], [1, heads, cells, tokens]), [
          heads * cells,
          tokens,
        ]) as tf.Tensor2D;
        const looks = tf.reshape(tf.matMul(map, columns[prompt]), [heads, cells, -1]) as tf.Tensor3D;
        const before = layer.sums.get(prompt);
        layer.sums.set(prompt, tf.keep(before ? tf.add(before, looks) : tf.clone(looks)));
        before?.dispose();
        ofSteps(call, prompt, tf.mean(looks, 0) as tf.Tensor2D);
      }
      return probs;
    },
    async read() {
      const count = steps.length;
      const [first] = steps;
      return Promise.all(
        prompts.map(async (_, prompt): Promise<WordLooks> => {
          const { cells } = first.get(prompt)!;
          const bySteps = tf.tidy(() =>
            tf.stack(
              steps.map((step) => {
                const { sum, layers: averaged } = step.get(prompt)!;
                return tf.div(tf.transpose(sum), averaged);
              }),
            ),
          );
          return {
            words: words[prompt],
            grid: gridOf([...layers.values()], cells),
            steps: await taken(bySteps),
            layers: await Promise.all(
              [...layers.values()].map(({ call, sums }) => layerLooks(call, sums.get(prompt)!, count)),
            ),
          };
        }),
      );
    },
    dispose() {
      tf.dispose([
        columns,
        ...[...layers.values()].flatMap(({ sums }) => [...sums.values()]),
        ...steps.flatMap((step) => [...step.values()].map(({ sum }) => sum)),
      ]);
      layers.clear();
    },
  };
}

async function layerLooks({ site, grid }: AttentionCall, sum: tf.Tensor3D, steps: number): Promise<LayerLooks> {
  const values = await taken(tf.tidy(() => tf.div(tf.transpose(sum, [0, 2, 1]), steps)));
  return { path: site.path, place: site.place, grid: { ...grid }, heads: site.heads, values };
}

async function taken(tensor: tf.Tensor): Promise<Float32Array> {
  const values = Float32Array.from(await tensor.data<'float32'>());
  tensor.dispose();
  return values;
}

function gridOf(layers: readonly Layer[], cells: number): { width: number; height: number } {
  const { height, width } = layers.find(({ call: { grid } }) => grid.height * grid.width === cells)!.call.grid;
  return { height, width };
}

/** [tokens, words]: 1 where a token belongs to a word. */
function columnsOf(prompt: TokenizedPrompt, words: readonly string[]): number[][] {
  const seen = new Map<string, number>();
  const tokens = words.map((word) => {
    const key = word.toLowerCase();
    const index = (seen.get(key) ?? 0) + 1;
    seen.set(key, index);
    return new Set(tokensAt(prompt, word, index));
  });
  return prompt.ids.map((_, token) => (words.length === 0 ? [0] : tokens.map((set) => Number(set.has(token)))));
}

/** Empty for a word that was truncated, or that the library does not count as a word. */
function tokensAt(prompt: TokenizedPrompt, word: string, index: number): number[] {
  try {
    return tokensOf(prompt, { word, index });
  } catch {
    return [];
  }
}
