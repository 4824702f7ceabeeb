import type * as tf from '@tensorflow/tfjs';

/** `self` among the places of the picture, `cross` from these to the prompt's tokens. */
export type AttentionKind = 'self' | 'cross';
/** In which part of the UNet a layer is. */
export type Place = 'down' | 'mid' | 'up';

/** One attention layer's place in the network. */
export interface AttentionSite {
  /** The checkpoint's path of the layer: `up_blocks.1.attentions.0.transformer_blocks.0.attn2`. */
  readonly path: string;
  readonly kind: AttentionKind;
  readonly place: Place;
  readonly heads: number;
  readonly headSize: number;
}

/** Height and width, in cells. */
export interface Grid {
  readonly height: number;
  readonly width: number;
}

/** What one row of the batch is: a prompt's number (0 is the source), with its text or without. */
export interface BatchRow {
  readonly prompt: number;
  readonly conditional: boolean;
}

/** One denoising run, as a controller is told of it before the first step. */
export interface Run {
  readonly prompts: number;
  readonly steps: number;
  /** Height and width of the latents. */
  readonly latents: Grid;
}

/** One evaluation of the network. */
export interface Evaluation {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  /** The schedule's timestep of this step, such as 981. */
  readonly timestep: number;
  /** Height and width of the latents. */
  readonly latents: Grid;
  readonly rows: readonly BatchRow[];
  /** Why the source has no row, where a run from a recording has none of this call. */
  readonly sourceMissing?: string;
}

/** One evaluation of one site. */
export interface AttentionCall extends Evaluation {
  readonly site: AttentionSite;
  /** The picture grid of the queries: queries = height x width, row by row. */
  readonly grid: Grid;
  /** The number of keys: tokens at a cross site, height x width at a self site. */
  readonly keys: number;
}

/** The four moments of an attention layer at which a controller may read and replace what there is. */
export type Stage = 'qkv' | 'logits' | 'probs' | 'output';

/** All three [rows, heads, tokens, headSize]. */
export interface Qkv {
  readonly q: tf.Tensor4D;
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
}

/** The latents after one step of the sampler. */
export interface LatentsCall {
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
}

/**
 * What reads or changes attention at the sites and calls that it asks for.
 *
 * Hooks run inside `tf.tidy`: they return a tensor of the shape they were given (or that very tensor), and `tf.keep`
 * what they want to have later. They must be differentiable where gradients are taken through them: tensor operations
 * only, no `dataSync`. A stage nobody wants at a call costs nothing there; where nobody wants `logits` or `probs`, they
 * never exist as a whole.
 */
export interface AttentionController {
  /**
   * The stages that this controller needs at this call; none leaves the call untouched. Asked more than once a call: it
   * must not change anything.
   */
  wants(call: AttentionCall): readonly Stage[];
  onQkv?(qkv: Qkv, call: AttentionCall): Qkv;
  /** @param logits [rows, heads, queries, keys], already scaled by headSize ** -0.5 */
  onLogits?(logits: tf.Tensor4D, call: AttentionCall): tf.Tensor4D;
  /** @param probs [rows, heads, queries, keys], each query's row summing to 1 */
  onProbs?(probs: tf.Tensor4D, call: AttentionCall): tf.Tensor4D;
  /** @param output [rows, queries, heads x headSize], before the output projection */
  onOutput?(output: tf.Tensor3D, call: AttentionCall): tf.Tensor3D;
  /** After each step of the sampler. @param latents [prompts, height, width, channels], row 0 the source's */
  onLatents?(latents: tf.Tensor4D, call: LatentsCall): tf.Tensor4D;
  /** Before a run's first step: forget the run before. */
  begin?(run: Run): void;
  /** After a run's last step, an early stop or an error: free what only the run needed. */
  end?(): void;
}
