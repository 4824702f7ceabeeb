import type { ConfigFile } from '../config';
import type { TokenizerFiles } from '../text/tokenizer';
import type { TensorSource } from './source';

/** The networks of a Stable Diffusion checkpoint, by the names of their folders. */
export type NetworkName = 'unet' | 'vae' | 'text_encoder';
export const NETWORKS: readonly NetworkName[] = ['text_encoder', 'unet', 'vae'];
/** What has a config of its own. */
export type PartName = NetworkName | 'scheduler';

/** A Stable Diffusion checkpoint, whatever its layout: configs and tensors under diffusers' names. */
export interface Checkpoint {
  /** The folder or file it was opened from, or its name on the hub. */
  readonly name: string;
  readonly layout: 'diffusers' | 'single-file';
  /** Those it has: without `vae` where the UNet's latents are the pictures themselves. */
  readonly networks: readonly NetworkName[];
  config(part: PartName): Promise<ConfigFile>;
  weights(part: NetworkName): Promise<TensorSource>;
  tokenizer(): Promise<TokenizerFiles>;
  /** What was assumed of it where its files do not say, and what of it is left aside; for people. */
  notes(): Promise<readonly string[]>;
  /** Its `p2p.json`, which says how it is best used; nothing if it has none. */
  defaults(): Promise<ConfigFile | undefined>;
}
