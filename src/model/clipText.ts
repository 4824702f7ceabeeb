import * as tf from '@tensorflow/tfjs';
import { selfAttention } from '../attention/scaledDotProduct';
import { gelu, quickGelu } from '../nn/activations';
import { Embedding } from '../nn/embedding';
import { LayerNorm } from '../nn/layerNorm';
import { JoinedLinear, Linear } from '../nn/linear';
import { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import type { CLIPTextConfig } from './config';
import { Network } from './network';

const ACTIVATIONS = { gelu, quick_gelu: quickGelu };

/** CLIP's text encoder: what the prompts look like to the UNet (transformers `CLIPTextModel`). */
export class CLIPTextModel extends Network {
  private readonly tokenEmbedding: Embedding;
  private readonly positionEmbedding: Embedding;
  private readonly layers: readonly EncoderLayer[];
  private readonly finalLayerNorm: LayerNorm;

  constructor(
    readonly config: CLIPTextConfig,
    scope = new Scope(),
  ) {
    super(scope);
    const model = scope.at('text_model');
    this.tokenEmbedding = new Embedding(
      model.at('embeddings', 'token_embedding'),
      config.vocab_size,
      config.hidden_size,
    );
    this.positionEmbedding = new Embedding(
      model.at('embeddings', 'position_embedding'),
      config.max_position_embeddings,
      config.hidden_size,
    );
    this.layers = Array.from(
      { length: config.num_hidden_layers },
      (_, i) => new EncoderLayer(model.at('encoder', 'layers', i), config),
    );
    this.finalLayerNorm = new LayerNorm(model.at('final_layer_norm'), config.hidden_size, config.layer_norm_eps);
  }

  /**
   * @param ids the prompts' tokens, [rows][tokens], all rows of the same length
   * @returns [rows, tokens, hidden_size], the last layer's hidden states after the final norm
   * @throws RangeError if the rows differ in length, are longer than the model's positions, or hold an id outside its
   *   vocabulary
   */
  forward(ids: readonly (readonly number[])[]): tf.Tensor3D {
    return tf.tidy(() => sequence(this.embed(ids), ...this.layers, this.finalLayerNorm));
  }

  /**
   * The hidden states of every layer, before the final norm (transformers' `hidden_states`).
   *
   * @param ids as for `forward`
   * @returns num_hidden_layers + 1 tensors [rows, tokens, hidden_size]: the embeddings, then each layer's result
   */
  hiddenStates(ids: readonly (readonly number[])[]): tf.Tensor3D[] {
    return tf.tidy(() => {
      const states = [this.embed(ids)];
      for (const layer of this.layers) states.push(layer.forward(states[states.length - 1]));
      return states;
    });
  }

  private embed(ids: readonly (readonly number[])[]): tf.Tensor3D {
    const [{ length }] = ids;
    const { max_position_embeddings: positions } = this.config;
    if (ids.some((row) => row.length !== length))
      throw new RangeError(`Rows of one length are needed, not of ${ids.map((row) => row.length).join(', ')} tokens.`);
    if (length > positions)
      throw new RangeError(`The text encoder has ${positions} positions; ${length} tokens are too many.`);
    return tf.tidy(() =>
      tf.add(this.tokenEmbedding.forward(ids), this.positionEmbedding.forward([ids[0].map((_, position) => position)])),
    );
  }
}

/** Attention and a feed-forward network, each added to what came in (transformers `CLIPEncoderLayer`). */
class EncoderLayer {
  private readonly layerNorm1: LayerNorm;
  private readonly selfAttn: CausalAttention;
  private readonly layerNorm2: LayerNorm;
  private readonly fc1: Linear;
  private readonly fc2: Linear;
  private readonly activation: (x: tf.Tensor3D) => tf.Tensor3D;

  constructor(
    scope: Scope,
    {
      hidden_size: features,
      intermediate_size: inner,
      num_attention_heads: heads,
      layer_norm_eps: eps,
      hidden_act,
    }: CLIPTextConfig,
  ) {
    this.layerNorm1 = new LayerNorm(scope.at('layer_norm1'), features, eps);
    this.selfAttn = new CausalAttention(scope.at('self_attn'), features, heads);
    this.layerNorm2 = new LayerNorm(scope.at('layer_norm2'), features, eps);
    this.fc1 = new Linear(scope.at('mlp', 'fc1'), features, inner);
    this.fc2 = new Linear(scope.at('mlp', 'fc2'), inner, features);
    this.activation = ACTIVATIONS[hidden_act];
  }

  forward(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => {
      const attended = tf.add(x, sequence(x, this.layerNorm1, this.selfAttn)) as tf.Tensor3D;
      return tf.add(attended, sequence(attended, this.layerNorm2, this.fc1, this.activation, this.fc2));
    });
  }
}

/** Multi-head attention of each token to itself and those before it (transformers `CLIPAttention`). */
class CausalAttention {
  private readonly toQkv: JoinedLinear;
  private readonly outProj: Linear;

  constructor(
    scope: Scope,
    features: number,
    private readonly heads: number,
  ) {
    this.toQkv = new JoinedLinear(
      ['q_proj', 'k_proj', 'v_proj'].map((name) => scope.at(name)),
      features,
      features,
      { bias: true },
    );
    this.outProj = new Linear(scope.at('out_proj'), features, features);
  }

  forward(x: tf.Tensor3D): tf.Tensor3D {
    return tf.tidy(() => this.outProj.forward(selfAttention(this.toQkv.forward(x), this.heads, { causal: true })));
  }
}
