import type { ConfigFile } from '../config';
import type { TokenizerFiles } from '../text/tokenizer';
import type { TensorSource } from './source';

/** The networks of a Stable Diffusion checkpoint, by the names of their folders. */
export type NetworkName = 'unet' | 'vae' | 'text_encoder';
export const NETWORKS: readonly NetworkName[] = ['text_encoder', 'unet', 'vae'];
/** The parts that have their own config. */
export type PartName = NetworkName | 'scheduler';

/** A Stable Diffusion checkpoint, whatever its layout: configs and tensors under diffusers' names. */
export interface Checkpoint {
  /** The folder or file it was opened from, or its name on the hub. */
  readonly name: string;
  readonly layout: 'diffusers' | 'single-file';
  /** The networks it has: without `vae` if the UNet's latents are the pictures themselves. */
  readonly networks: readonly NetworkName[];
  config(part: PartName): Promise<ConfigFile>;
  weights(part: NetworkName): Promise<TensorSource>;
  tokenizer(): Promise<TokenizerFiles>;
  /** Notes for the user: what was assumed where its files do not say, and what is ignored. */
  notes(): Promise<readonly string[]>;
  /** Its `p2p.json`, which states its best settings; undefined if it has none. */
  defaults(): Promise<ConfigFile | undefined>;
}
