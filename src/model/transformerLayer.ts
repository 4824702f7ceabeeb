import * as tf from '@tensorflow/tfjs';
import { type AttentionControl, attend } from '../attention/attend';
import type { AttentionSite } from '../attention/controller';
import { selfAttention, splitHeads } from '../attention/scaledDotProduct';
import { gelu, quickGelu } from '../nn/activations';
import { LayerNorm } from '../nn/layerNorm';
import { JoinedLinear, Linear } from '../nn/linear';
import type { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';

const ACTIVATIONS = { gelu, quick_gelu: quickGelu };

/** The names of a layer's parts in a checkpoint. */
export interface LayerNames {
  readonly norm1: string;
  readonly attention: string;
  /** Within `attention`. */
  readonly qkv: readonly [q: string, k: string, v: string];
  readonly out: string;
  readonly norm2: string;
  readonly fc1: string;
  readonly fc2: string;
}

/** The names in transformers' CLIP, for both text and vision. */
export const CLIP_NAMES: LayerNames = {
  norm1: 'layer_norm1',
  attention: 'self_attn',
  qkv: ['q_proj', 'k_proj', 'v_proj'],
  out: 'self_attn.out_proj',
  norm2: 'layer_norm2',
  fc1: 'mlp.fc1',
  fc2: 'mlp.fc2',
};

/** What a layer takes from its model's config. */
export interface LayerConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly layer_norm_eps: number;
  readonly hidden_act: keyof typeof ACTIVATIONS;
}

/**
 * Self-attention between tokens and a feed-forward network, each after a norm and with a residual connection
 * (transformers `CLIPEncoderLayer`, `ViTLayer`).
 */
export class TransformerLayer {
  /** The site for controllers. It describes a text encoder's layer; elsewhere no controller uses it. */
  readonly site: AttentionSite;
  private readonly norm1: LayerNorm;
  private readonly toQkv: JoinedLinear;
  private readonly toOut: Linear;
  private readonly norm2: LayerNorm;
  private readonly fc1: Linear;
  private readonly fc2: Linear;
  private readonly activation: (x: tf.Tensor3D) => tf.Tensor3D;

  /** @param options.causal whether each token attends only to itself and the tokens before it */
  constructor(
    scope: Scope,
    names: LayerNames,
    {
      hidden_size: features,
      intermediate_size: inner,
      num_attention_heads,
      layer_norm_eps: eps,
      hidden_act,
    }: LayerConfig,
    private readonly options: { causal?: boolean } = {},
  ) {
    const attention = scope.at(names.attention);
    const qkv = names.qkv.map((name) => attention.at(name));
    const sizes = { heads: num_attention_heads, headSize: features / num_attention_heads };
    this.site = { path: attention.path, kind: 'text', place: 'encoder', ...sizes };
    this.norm1 = new LayerNorm(scope.at(names.norm1), features, eps);
    this.toQkv = new JoinedLinear(qkv, features, features, { bias: true });
    this.toOut = new Linear(scope.at(names.out), features, features);
    this.norm2 = new LayerNorm(scope.at(names.norm2), features, eps);
    this.fc1 = new Linear(scope.at(names.fc1), features, inner);
    this.fc2 = new Linear(scope.at(names.fc2), inner, features);
    this.activation = ACTIVATIONS[hidden_act];
  }

  /** @param x [rows, tokens, features] @returns the same shape */
  forward(x: tf.Tensor3D, control?: AttentionControl): tf.Tensor3D {
    return tf.tidy(() => {
      const look = (qkv: tf.Tensor3D) => this.attend(qkv, control);
      const attended = tf.add(x, sequence(x, this.norm1, this.toQkv, look, this.toOut)) as tf.Tensor3D;
      return tf.add(attended, sequence(attended, this.norm2, this.fc1, this.activation, this.fc2));
    });
  }

  /** The keys that the layer attends to, all heads side by side, in the shape of `x`. */
  keys(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => tf.split(sequence(x, this.norm1, this.toQkv), 3, 2)[1] as tf.Tensor3D);
  }

  private attend(joined: tf.Tensor3D, control?: AttentionControl): tf.Tensor3D {
    const { heads } = this.site;
    const qkv = () => {
      const [q, k, v] = splitHeads(joined, heads, 3);
      return { q, k, v };
    };
    const keys = joined.shape[1];
    const ways = { free: () => selfAttention(joined, heads, this.options), qkv, ...this.options };
    return attend(ways, { site: this.site, grid: { height: 1, width: keys }, keys }, control);
  }
}
