import * as tf from '@tensorflow/tfjs';
import type { AttentionControl } from '../attention/attend';
import type { AttentionSite } from '../attention/controller';
import { Embedding } from '../nn/embedding';
import { LayerNorm } from '../nn/layerNorm';
import { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import type { CLIPTextConfig } from './config';
import { Network } from './network';
import type { PromptEncoder } from './roles';
import { CLIP_NAMES, TransformerLayer } from './transformerLayer';

/** CLIP's text encoder, whose output the UNet reads (transformers `CLIPTextModel`). */
export class CLIPTextModel extends Network implements PromptEncoder {
  private readonly tokenEmbedding: Embedding;
  private readonly positionEmbedding: Embedding;
  private readonly layers: readonly TransformerLayer[];
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
      (_, i) => new TransformerLayer(model.at('encoder', 'layers', i), CLIP_NAMES, config, { causal: true }),
    );
    this.finalLayerNorm = new LayerNorm(model.at('final_layer_norm'), config.hidden_size, config.layer_norm_eps);
  }

  /** Every attention layer, in order of evaluation. */
  get sites(): readonly AttentionSite[] {
    return this.layers.map(({ site }) => site);
  }

  /**
   * @param ids the prompts' tokens, [rows][tokens], all rows of the same length
   * @returns [rows, tokens, hidden_size], the last layer's hidden states after the final norm
   * @throws RangeError if there are no tokens, or the rows differ in length, are longer than the model's positions, or
   *   contain an id outside its vocabulary
   */
  forward(ids: readonly (readonly number[])[], control?: AttentionControl): tf.Tensor3D {
    const layers = this.layers.map((layer) => (x: tf.Tensor3D) => layer.forward(x, control));
    return tf.tidy(() => sequence(this.embed(ids), ...layers, this.finalLayerNorm));
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
    const length = ids[0]?.length ?? 0;
    const { max_position_embeddings: positions } = this.config;
    if (length === 0) throw new RangeError('The text encoder was given no tokens: it needs at least one prompt.');
    if (ids.some((row) => row.length !== length))
      throw new RangeError(
        `All rows must have the same number of tokens, not ${ids.map((row) => row.length).join(', ')}.`,
      );
    if (length > positions)
      throw new RangeError(`The text encoder has ${positions} positions; ${length} tokens are too many.`);
    return tf.tidy(() =>
      tf.add(this.tokenEmbedding.forward(ids), this.positionEmbedding.forward([ids[0].map((_, position) => position)])),
    );
  }
}
