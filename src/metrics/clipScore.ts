import * as tf from '@tensorflow/tfjs';
import { fromPictures, type Picture } from '../image/picture';
import { resample } from '../image/resample';
import { CLIPTextModel } from '../model/clipText';
import type { CLIPTextConfig } from '../model/config';
import { Network } from '../model/network';
import { CLIP_NAMES, type LayerConfig, TransformerLayer } from '../model/transformerLayer';
import { LayerNorm } from '../nn/layerNorm';
import { Linear } from '../nn/linear';
import { Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';
import type { Tokenizer } from '../text/tokenizer';
import { Patches } from './patches';

const NORM = { mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711] };

/** The sizes of a CLIP model, by transformers' names. */
export interface CLIPConfig {
  readonly text: CLIPTextConfig;
  readonly vision: LayerConfig & {
    readonly num_hidden_layers: number;
    readonly image_size: number;
    readonly patch_size: number;
  };
  readonly projection_dim: number;
}

/** OpenAI's ViT-L/14, whose text encoder is Stable Diffusion 1's. */
export const CLIP_VITL14: CLIPConfig = {
  text: {
    vocab_size: 49408,
    hidden_size: 768,
    intermediate_size: 3072,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    max_position_embeddings: 77,
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
  } as CLIPTextConfig,
  vision: {
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    layer_norm_eps: 1e-5,
    hidden_act: 'quick_gelu',
    image_size: 224,
    patch_size: 14,
  },
  projection_dim: 768,
};

/** How well a picture matches a text (Hessel et al. 2021): transformers' `CLIPModel`, scored as in torchmetrics. */
export class CLIPScore extends Network {
  private readonly text: CLIPTextModel;
  private readonly textProjection: Linear;
  private readonly patches: Patches;
  private readonly preNorm: LayerNorm;
  private readonly layers: readonly TransformerLayer[];
  private readonly postNorm: LayerNorm;
  private readonly visualProjection: Linear;

  constructor(
    private readonly config: CLIPConfig = CLIP_VITL14,
    scope = new Scope(),
  ) {
    super(scope);
    const { text, vision, projection_dim } = config;
    this.text = new CLIPTextModel(text, scope);
    this.textProjection = new Linear(scope.at('text_projection'), text.hidden_size, projection_dim, { bias: false });
    const model = scope.at('vision_model');
    const tokens = 1 + (vision.image_size / vision.patch_size) ** 2;
    const embeddings = model.at('embeddings');
    this.patches = new Patches(
      embeddings.at('patch_embedding'),
      embeddings.parameter('class_embedding', [vision.hidden_size]),
      embeddings.at('position_embedding').parameter('weight', [tokens, vision.hidden_size]),
      vision.patch_size,
      vision.hidden_size,
      { bias: false },
    );
    // Misspelt like this in every checkpoint.
    this.preNorm = new LayerNorm(model.at('pre_layrnorm'), vision.hidden_size, vision.layer_norm_eps);
    this.layers = Array.from(
      { length: vision.num_hidden_layers },
      (_, i) => new TransformerLayer(model.at('encoder', 'layers', i), CLIP_NAMES, vision),
    );
    this.postNorm = new LayerNorm(model.at('post_layernorm'), vision.hidden_size, vision.layer_norm_eps);
    this.visualProjection = new Linear(scope.at('visual_projection'), vision.hidden_size, projection_dim, {
      bias: false,
    });
  }

  /** @param ids a text's tokens, including the end token; what follows it is ignored @returns [1, projection_dim] */
  embedText(ids: readonly number[]): tf.Tensor2D {
    return tf.tidy(() => {
      const states = this.text.forward([ids]);
      const end = ids.indexOf(Math.max(...ids));
      return this.textProjection.forward(tf.squeeze(tf.slice(states, [0, end, 0], [1, 1, -1]), [1]));
    });
  }

  /** @param pixels [rows, image_size, image_size, 3], normalised @returns [rows, projection_dim] */
  embedPicture(pixels: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const states = sequence(this.patches.forward(pixels), this.preNorm, ...this.layers);
      const whole: tf.Tensor2D = tf.squeeze(tf.slice(states, [0, 0, 0], [-1, 1, -1]), [1]);
      return this.visualProjection.forward(this.postNorm.forward(whole));
    });
  }

  /** From 0 to 100: the cosine of the two embeddings times 100, or 0 if negative. */
  async score(picture: Picture, text: string, tokenizer: Tokenizer): Promise<number> {
    const score = tf.tidy(() => {
      const [a, b] = [this.embedPicture(this.prepared(picture)), this.embedText(tokenizer.tokenize(text).ids)];
      return tf.div(tf.sum(tf.mul(a, b)), tf.mul(tf.norm(a), tf.norm(b)));
    });
    const [cosine] = await score.data();
    score.dispose();
    return Math.max(0, 100 * cosine);
  }

  /**
   * Preprocesses like transformers' processor: resizes the shorter side with Pillow's bicubic filter, crops the centre,
   * and normalises with CLIP's mean and standard deviation.
   */
  private prepared(picture: Picture): tf.Tensor4D {
    const side = this.config.vision.image_size;
    const scale = side / Math.min(picture.width, picture.height);
    const size = { width: Math.trunc(picture.width * scale), height: Math.trunc(picture.height * scale) };
    const resized = resample(picture, { x: 0, y: 0, width: picture.width, height: picture.height }, size);
    const [x, y] = [Math.trunc((size.width - side) / 2), Math.trunc((size.height - side) / 2)];
    const image = tf.slice(fromPictures([resized]), [0, y, x, 0], [1, side, side, 3]);
    return tf.div(tf.sub(tf.div(tf.add(image, 1), 2), NORM.mean), NORM.deviation);
  }
}
