import type * as tf from '@tensorflow/tfjs';

/**
 * In the UNet `self` is among the places of the picture, `cross` from these to the prompt's tokens; `text` is among the
 * tokens in the text encoder, `vae` among the places in the VAE.
 */
export type AttentionKind = 'self' | 'cross' | 'text' | 'vae';
/** In which part of its network a layer is: of the UNet, or of the VAE; a text encoder is all `encoder`. */
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
 * What a row of the batch is there for: `conditional` rows have their prompt's text, `unconditional` ones the negative
 * prompt's; a guidance may add others, such as `perturbed`.
 */
export type Role = 'conditional' | 'unconditional' | (string & {});

/** What one row of the batch is: a prompt's number (0 is the source), and what the row is there for. */
export interface BatchRow {
  readonly prompt: number;
  readonly role: Role;
}

/** One denoising run, as a controller is told of it before the first step. */
export interface RunInfo {
  readonly prompts: number;
  readonly steps: number;
  /** Height and width of the latents. */
  readonly latents: Grid;
}

/**
 * One evaluation of a network. The text encoder and the VAE work outside of the steps: for them it is step 0 of 1, at
 * timestep 0.
 */
export interface Evaluation {
  /** 0 .. steps - 1. */
  readonly step: number;
  readonly steps: number;
  /** The schedule's timestep of this step, such as 981. */
  readonly timestep: number;
  /** Height and width of the latents; in the text encoder 1 and the number of tokens. */
  readonly latents: Grid;
  /**
   * What the batch holds. The text encoder has each text once: a row there is the first of the run's that reads it. The
   * VAE has one row at a time.
   */
  readonly rows: readonly BatchRow[];
}

/** One evaluation of one site. */
export interface AttentionCall extends Evaluation {
  readonly site: AttentionSite;
  /** The picture grid of the queries: queries = height x width, row by row; at a text site 1 x tokens. */
  readonly grid: Grid;
  /**
   * The number of keys: tokens at a cross or text site, height x width at others; after a hook that has added some, with
   * those.
   */
  readonly keys: number;
}

/**
 * What features are: the output of a resnet; what a resnet of the way up is given, from the layer before (`backbone`)
 * and from the way down (`skip`); or what a block ends with.
 */
export type FeatureKind = 'resnet' | 'backbone' | 'skip' | 'block';

/** A place in the network where features outside of attention are to be had. */
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

/** The four moments of an attention layer at which a controller may read and replace what there is. */
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
 * Asks the network itself at the current step, without guidance. Gradients flow through it.
 *
 * @param latents one row for each of `rows`, [rows, height, width, channels]
 * @returns the prediction, of the latents' shape
 */
export type Evaluate = (latents: tf.Tensor4D, options: EvaluateOptions) => tf.Tensor4D;

/** Which rows are evaluated, and who looks on. */
export interface EvaluateOptions {
  readonly rows: readonly BatchRow[];
  /** What the rows read, [rows, tokens, features] (default: the run's own for rows like these). */
  readonly context?: tf.Tensor3D;
  /** The only one that is asked, besides what a guidance brings for its rows. */
  readonly controller?: AttentionController;
  /** What the network is told of how noisy the latents are (default: the step's own timestep). */
  readonly timestep?: number;
}

/** Before one step of the sampler. */
export interface BeforeStepCall extends LatentsCall {
  /** What the step will evaluate. */
  readonly rows: readonly BatchRow[];
  readonly evaluate: Evaluate;
  /**
   * The value of a function of the latents and its gradient, of the latents' shape. The caller disposes of both; what
   * a controller kept while the function ran is that controller's to free.
   */
  gradient(
    energy: (latents: tf.Tensor4D) => tf.Scalar,
    latents: tf.Tensor4D,
  ): { value: tf.Scalar; gradient: tf.Tensor4D };
}

/**
 * What reads or changes attention, and other features, at the sites and calls that it asks for.
 *
 * Hooks run inside `tf.tidy`: they return a tensor of the shape they were given (or that very tensor), and `tf.keep`
 * what they want to have later. Only keys and values may become more, or fewer. Where gradients are taken through them,
 * hooks must be differentiable: tensor operations only, no `dataSync`. A stage nobody wants at a call costs nothing
 * there; where nobody wants `logits` or `probs`, they never exist as a whole.
 */
export interface AttentionController {
  /** What to call it in a message. */
  readonly name?: string;
  /** The kinds of sites at which it is asked. Default: the UNet's, `self` and `cross`. */
  readonly kinds?: readonly AttentionKind[];
  /**
   * The stages that this controller needs at this call; none leaves the call untouched. Asked more than once a call: it
   * must not change anything.
   */
  wants(call: AttentionCall): readonly Stage[];
  /** @returns as many queries; keys and values of any number, the same for both */
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
  /** Whether it needs these features; where nobody does, they cost nothing. As with `wants`, it must change nothing. */
  wantsFeatures?(call: FeatureCall): boolean;
  /** @param x [rows, height, width, channels] */
  onFeatures?(x: tf.Tensor4D, call: FeatureCall): tf.Tensor4D;
  /**
   * Before each step of the sampler: moves the latents by a gradient, for instance. Runs outside of `tf.tidy` and may
   * wait for numbers: it disposes of all it makes but what it returns.
   *
   * @param latents [prompts, height, width, channels]; lent
   * @returns the latents to go on with: those given, or others, which from then on are the run's to dispose
   */
  beforeStep?(latents: tf.Tensor4D, call: BeforeStepCall): tf.Tensor4D | Promise<tf.Tensor4D>;
  /** After each step of the sampler. @param latents [prompts, height, width, channels], row 0 the source's */
  onLatents?(latents: tf.Tensor4D, call: LatentsCall): tf.Tensor4D;
  /** Before a run's first step: forget the run before. What has `begin` or `end` can be in one run at a time. */
  begin?(run: RunInfo): void;
  /** After a run's last step, an early stop or an error: free what only the run needed. */
  end?(): void;
}
