import type { NetworkName } from './checkpoint';
import type { TensorSource } from './source';
import { Origins, viewOf } from './view';

/**
 * The one place that maps the names used in checkpoints over the years to those of the networks here, which are the
 * current names of diffusers and transformers. (For the layout of single files, see originalLayout.ts.)
 */
export function canonicalNames(network: NetworkName, source: TensorSource): TensorSource {
  const origins = new Origins(source);
  for (const [key, { shape }] of source.tensors) {
    const name = RENAME[network](key);
    if (name !== undefined) origins.add(name, { key, shape: isVaeProjection(name) ? withoutKernel(shape) : shape });
  }
  return viewOf(source, origins);
}

/** Maps any name in use to the canonical one; undefined for tensors that no network needs. */
const RENAME: Record<NetworkName, (key: string) => string | undefined> = {
  unet: (key) => key,
  vae: (key) => key.replace(OLD_VAE_ATTENTION, (_, layer: string) => VAE_ATTENTION[layer]),
  text_encoder: (key) => (UNUSED_IN_TEXT_ENCODER.test(key) ? undefined : key.replace(BARE_CLIP, 'text_model.$&')),
};

/** CLIP's modules, where it was saved without `text_model.` before them. */
const BARE_CLIP = /^(?:embeddings|encoder\.layers|final_layer_norm)\./;

/** The VAE's attention before diffusers 0.13 (`AttentionBlock`). */
const OLD_VAE_ATTENTION = /(?<=\.mid_block\.attentions\.0\.)(query|key|value|proj_attn)(?=\.(?:weight|bias)$)/;
const VAE_ATTENTION: Record<string, string> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

/**
 * A buffer that holds 0, 1, 2, ... (saved by transformers before 4.31), and tensors that only CLIP's comparison with
 * pictures needs.
 */
const UNUSED_IN_TEXT_ENCODER =
  /^(?:text_model\.embeddings\.position_ids|embeddings\.position_ids|text_projection(?:\.weight)?|logit_scale)$/;

/** The VAE's projections used to be convolutions with a kernel of size 1; now they are linear. */
function isVaeProjection(name: string): boolean {
  return /\.mid_block\.attentions\.0\.to_(?:q|k|v|out\.0)\.weight$/.test(name);
}

function withoutKernel(shape: readonly number[]): readonly number[] {
  return shape.slice(2).every((size) => size === 1) ? shape.slice(0, 2) : shape;
}
