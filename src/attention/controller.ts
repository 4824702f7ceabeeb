import type * as tf from '@tensorflow/tfjs';

/**
 * In the UNet, `self` attends between the places of the picture and `cross` from these to the prompt's tokens; `text`
 * attends between tokens in the text encoder, `vae` between places in the VAE.
 */
export type AttentionKind = 'self' | 'cross' | 'text' | 'vae';
/** The part of its network (UNet or VAE) that a layer is in; a text encoder is all `encoder`. */
export type Place = 'down' | 'mid' | 'up' | 'encoder' | 'decoder';

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

/**
 * What a row of the batch is for: `conditional` rows read their prompt's text, `unconditional` rows the negative
 * prompt's; a guidance may add others, such as `perturbed`.
 */
export type Role = 'conditional' | 'unconditional' | (string & {});

/** One row of the batch: its prompt's number (0 is the source) and what the row is for. */
export interface BatchRow {
  readonly prompt: number;
  readonly role: Role;
}

/** One denoising run, as described to a controller before the first step. */
export interface RunInfo {
  readonly prompts: number;
  readonly steps: number;
  /** Height and width of the latents. */
  readonly latents: Grid;
}

/**
 * One evaluation of a network. The text encoder and the VAE run outside the denoising steps: for them it is step 0 of
 * 1, at timestep 0.
 */
export interface Evaluation {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  /** The schedule's timestep of this step, such as 981. */
  readonly timestep: number;
  /** Height and width of the latents; in the text encoder, 1 and the number of tokens. */
  readonly latents: Grid;
  /**
   * What the batch holds. The text encoder encodes each distinct text once: its row stands for the first of the run's
   * rows that reads the text. The VAE takes one row at a time.
   */
  readonly rows: readonly BatchRow[];
}

/** One evaluation of one site. */
export interface AttentionCall extends Evaluation {
  readonly site: AttentionSite;
  /** The picture grid of the queries: height x width of them, row by row; at a text site 1 x tokens. */
  readonly grid: Grid;
  /**
   * The number of keys: tokens at a cross or text site, height x width at others. Keys added by an earlier hook are
   * counted.
   */
  readonly keys: number;
}

/**
 * Which features: the output of a resnet; the inputs of a resnet in the up path, from the layer before (`backbone`) and
 * from the down path (`skip`); or the output of a block.
 */
export type FeatureKind = 'resnet' | 'backbone' | 'skip' | 'block';

/** A place in the network where features outside attention can be read and replaced. */
export interface FeatureSite {
  /** The checkpoint's path of the resnet or block: `up_blocks.1.resnets.0`, `mid_block`. */
  readonly path: string;
  readonly kind: FeatureKind;
  readonly place: Place;
  readonly channels: number;
}

/** Features at one place in one evaluation. */
export interface FeatureCall extends Evaluation {
  readonly site: FeatureSite;
  readonly grid: Grid;
}

/** The four stages of an attention layer at which a controller may read and replace the values. */
export type Stage = 'qkv' | 'logits' | 'probs' | 'output';

/** All three [rows, heads, tokens, headSize]. */
export interface Qkv {
  readonly q: tf.Tensor4D;
  readonly k: tf.Tensor4D;
  readonly v: tf.Tensor4D;
}

/** One step of the sampler. */
export interface LatentsCall {
  readonly step: number;
  readonly steps: number;
  readonly timestep: number;
}

/**
 * Evaluates the network itself at the current step, without guidance. Gradients flow through it.
 *
 * @param latents one row for each of `rows`, [rows, height, width, channels]
 * @returns the prediction, of the latents' shape
 */
export type Evaluate = (latents: tf.Tensor4D, options: EvaluateOptions) => tf.Tensor4D;

/** Which rows are evaluated, and which controller takes part. */
export interface EvaluateOptions {
  readonly rows: readonly BatchRow[];
  /** What the rows read, [rows, tokens, features] (default: the run's own context for such rows). */
  readonly context?: tf.Tensor3D;
  /** The only controller that is called, apart from one that a guidance brings for its rows. */
  readonly controller?: AttentionController;
  /** The timestep given to the network, which tells it how noisy the latents are (default: the step's own). */
  readonly timestep?: number;
}

/** What `beforeStep` is called with, before one step of the sampler. */
export interface BeforeStepCall extends LatentsCall {
  /** The rows that the step will evaluate. */
  readonly rows: readonly BatchRow[];
  readonly evaluate: Evaluate;
  /**
   * The value of a function of the latents, and its gradient in the latents' shape. The caller disposes of both;
   * whatever a controller keeps while the function runs, it must dispose of itself.
   */
  gradient(
    energy: (latents: tf.Tensor4D) => tf.Scalar,
    latents: tf.Tensor4D,
  ): { value: tf.Scalar; gradient: tf.Tensor4D };
}

/**
 * Reads or changes attention, and other features, at the sites and calls that it asks for.
 *
 * Hooks run inside `tf.tidy`: they return a tensor of the shape they were given (or that very tensor), and `tf.keep`
 * what they need later. Only the number of keys and values may change. Where gradients are taken through them, hooks
 * must be differentiable: tensor operations only, no `dataSync`. A stage that nobody wants at a call costs nothing
 * there; where nobody wants `logits` or `probs`, they are never materialised as a whole.
 */
export interface AttentionController {
  /** The name used for it in messages. */
  readonly name?: string;
  /** The kinds of sites at which it is called. Default: the UNet's, `self` and `cross`. */
  readonly kinds?: readonly AttentionKind[];
  /**
   * The stages that this controller needs at this call; an empty list leaves the call untouched. It may be called more
   * than once per call, so it must have no side effects.
   */
  wants(call: AttentionCall): readonly Stage[];
  /** @returns the same number of queries; any number of keys, and as many values */
  onQkv?(qkv: Qkv, call: AttentionCall): Qkv;
  /**
   * @param logits [rows, heads, queries, keys], already scaled by headSize ** -0.5; at a text site with -1e9 added where a
   *   token would look ahead
   */
  onLogits?(logits: tf.Tensor4D, call: AttentionCall): tf.Tensor4D;
  /** @param probs [rows, heads, queries, keys], each query's row summing to 1 */
  onProbs?(probs: tf.Tensor4D, call: AttentionCall): tf.Tensor4D;
  /** @param output [rows, queries, heads x headSize], before the output projection */
  onOutput?(output: tf.Tensor3D, call: AttentionCall): tf.Tensor3D;
  /**
   * Whether it needs these features; where nobody does, they cost nothing. Like `wants`, it must have no side effects.
   */
  wantsFeatures?(call: FeatureCall): boolean;
  /** @param x [rows, height, width, channels] */
  onFeatures?(x: tf.Tensor4D, call: FeatureCall): tf.Tensor4D;
  /**
   * Runs before each step of the sampler, for example to move the latents along a gradient. It runs outside `tf.tidy`
   * and may await data, so it must dispose of every tensor it makes except the one it returns.
   *
   * @param latents [prompts, height, width, channels]; not to be disposed of
   * @returns the latents to continue with: those given, or new ones, which the run then disposes of
   */
  beforeStep?(latents: tf.Tensor4D, call: BeforeStepCall): tf.Tensor4D | Promise<tf.Tensor4D>;
  /** Runs after each step of the sampler. @param latents [prompts, height, width, channels], row 0 the source's */
  onLatents?(latents: tf.Tensor4D, call: LatentsCall): tf.Tensor4D;
  /**
   * Runs before a run's first step: forget the last run. A controller with `begin` or `end` can be in only one run at a
   * time.
   */
  begin?(run: RunInfo): void;
  /** Runs after a run's last step, an early stop or an error: free what only the run needed. */
  end?(): void;
}
