import * as tf from '@tensorflow/tfjs';
import { fromPictures, type Picture } from '../image/picture';
import { Network } from '../model/network';
import { type LayerNames, TransformerLayer } from '../model/transformerLayer';
import { Scope } from '../nn/scope';
import { Patches } from './patches';

/** The names in transformers' `ViTModel`, as in `facebook/dino-vitb8` on the hub. */
const VIT_NAMES: LayerNames = {
  norm1: 'layernorm_before',
  attention: 'attention.attention',
  qkv: ['query', 'key', 'value'],
  out: 'attention.output.dense',
  norm2: 'layernorm_after',
  fc1: 'intermediate.dense',
  fc2: 'output.dense',
};

/** The sizes of a vision transformer, by transformers' names. */
export interface ViTConfig {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly image_size: number;
  readonly patch_size: number;
}

/** DINO's ViT-B/8 (Caron et al. 2021). */
export const DINO_VITB8: ViTConfig = {
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  image_size: 224,
  patch_size: 8,
};

const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/**
 * How much the structure of two pictures differs (Tumanyan et al. 2022, arXiv 2201.00424): the mean squared difference
 * between the pictures' self-similarities, that is, the similarity of each pair of patches by the last layer's keys.
 */
export class StructureDistance extends Network {
  private readonly patches: Patches;
  private readonly layers: readonly TransformerLayer[];

  constructor(
    private readonly config: ViTConfig = DINO_VITB8,
    scope = new Scope(),
  ) {
    super(scope);
    const { hidden_size: features, image_size, patch_size } = config;
    const embeddings = scope.at('embeddings');
    const tokens = 1 + (image_size / patch_size) ** 2;
    this.patches = new Patches(
      embeddings.at('patch_embeddings', 'projection'),
      embeddings.parameter('cls_token', [1, 1, features]),
      embeddings.parameter('position_embeddings', [1, tokens, features]),
      patch_size,
      features,
      { bias: true },
    );
    const layer = { ...config, layer_norm_eps: 1e-6, hidden_act: 'gelu' } as const;
    this.layers = Array.from(
      { length: config.num_hidden_layers },
      (_, i) => new TransformerLayer(scope.at('encoder', 'layer', i), VIT_NAMES, layer),
    );
  }

  /** The last layer's keys. @param pixels [rows, image_size, image_size, 3] @returns [rows, tokens, hidden_size] */
  keys(pixels: tf.Tensor4D): tf.Tensor3D {
    return tf.tidy(() => {
      const before = this.layers.slice(0, -1);
      const last = this.layers[this.layers.length - 1];
      return last.keys(before.reduce((x, layer) => layer.forward(x), this.patches.forward(pixels)));
    });
  }

  /** @param pixels two pictures as for `keys`, each [1, image_size, image_size, 3] @returns a scalar */
  between(...pixels: readonly [tf.Tensor4D, tf.Tensor4D]): tf.Scalar {
    return tf.tidy(() => {
      const [a, b] = pixels.map((picture) => selfSimilarity(tf.squeeze(this.keys(picture), [0])));
      return tf.mean(tf.squaredDifference(a, b));
    });
  }

  /**
   * The distance, 0 or more, as in PnPInversion's script: ImageNet's mean and standard deviation, which are meant for
   * values from 0 to 1, are applied to bytes, and pictures are resized bilinearly without antialiasing.
   */
  async distance(a: Picture, b: Picture): Promise<number> {
    const distance = tf.tidy(() => this.between(this.prepared(a), this.prepared(b)));
    const [value] = await distance.data();
    distance.dispose();
    return value;
  }

  private prepared(picture: Picture): tf.Tensor4D {
    const side = this.config.image_size;
    const bytes = tf.mul(tf.add(fromPictures([picture]), 1), 127.5);
    const resized = tf.image.resizeBilinear(bytes as tf.Tensor4D, [side, side], false, true);
    return tf.div(tf.sub(resized, IMAGENET.mean), IMAGENET.deviation);
  }
}

/** The cosine similarity of each pair of rows. @param x [tokens, features] @returns [tokens, tokens] */
function selfSimilarity(x: tf.Tensor2D): tf.Tensor2D {
  const norms = tf.norm(x, 'euclidean', 1, true);
  const factors = tf.maximum(tf.matMul(norms, norms, false, true), 1e-8);
  return tf.div(tf.matMul(x, x, false, true), factors);
}
