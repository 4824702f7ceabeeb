import type { NetworkName } from './checkpoint';
import type { TensorSource } from './source';
import { Origins, viewOf } from './view';

/**
 * The one place where names that checkpoints have had over the years become the ones of the networks here,
 * which are those of diffusers and transformers today. (The layout of single files is another: see originalLayout.ts.)
 */
export function canonicalNames(network: NetworkName, source: TensorSource): TensorSource {
  const origins = new Origins(source);
  for (const [key, { shape }] of source.tensors) {
    const name = RENAME[network](key);
    if (name !== undefined) origins.add(name, { key, shape: isVaeProjection(name) ? withoutKernel(shape) : shape });
  }
  return viewOf(source, origins);
}

/** From any name in use to the canonical one; nothing for what no network needs. */
const RENAME: Record<NetworkName, (key: string) => string | undefined> = {
  unet: (key) => key,
  vae: (key) => key.replace(OLD_VAE_ATTENTION, (_, layer: string) => VAE_ATTENTION[layer]),
  text_encoder: (key) =>
    UNUSED_IN_TEXT_ENCODER.test(key) ? undefined : key.startsWith('text_model.') ? key : `text_model.${key}`,
};

/** The VAE's attention before diffusers 0.13 (`AttentionBlock`). */
const OLD_VAE_ATTENTION = /(?<=\.mid_block\.attentions\.0\.)(query|key|value|proj_attn)(?=\.(?:weight|bias)$)/;
const VAE_ATTENTION: Record<string, string> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

/**
 * A buffer that counts from 0 on (saved by transformers before 4.31), and what only CLIP's comparison with pictures
 * needs.
 */
const UNUSED_IN_TEXT_ENCODER =
  /^(?:text_model\.embeddings\.position_ids|embeddings\.position_ids|text_projection(?:\.weight)?|logit_scale)$/;

/** The VAE's projections were convolutions with a kernel of 1 before they were linear. */
function isVaeProjection(name: string): boolean {
  return /\.mid_block\.attentions\.0\.to_(?:q|k|v|out\.0)\.weight$/.test(name);
}

function withoutKernel(shape: readonly number[]): readonly number[] {
  return shape.slice(2).every((size) => size === 1) ? shape.slice(0, 2) : shape;
}
