import type { AttentionSite, Grid } from '../attention/controller';
import { LEAST_TO_RECOMPUTE } from '../nn/checkpoint';
import type { UNet, VAE } from './roles';

/** The size of the latents that the UNet was trained for. */
export function defaultLatents({ sample_size }: UNet['config']): Grid {
  // Without a size in the config, that of Stable Diffusion's 512x512 pixels (diffusers' `default_sample_size`).
  const size = sample_size ?? 64;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return { height, width };
}

/** A site with the grid of its queries. */
export interface SiteAtGrid extends AttentionSite {
  readonly grid: Grid;
}

/** The grid at a module of the UNet: each down block but the last halves it, each up block but the last doubles it. */
function gridAt(path: string, { block_out_channels: channels }: UNet['config'], latents: Grid): Grid {
  const last = channels.length - 1;
  const [place, block, part] = path.split('.');
  let level = 0;
  if (place === 'mid_block') level = last;
  if (place === 'down_blocks') level = Math.min(last, Number(block) + (part === 'downsamplers' ? 1 : 0));
  if (place === 'up_blocks') level = Math.max(0, last - Number(block) - (part === 'upsamplers' ? 1 : 0));
  return { height: Math.ceil(latents.height / 2 ** level), width: Math.ceil(latents.width / 2 ** level) };
}

/** All attention sites of the UNet with their grids, for latents of this size. */
export function sitesAt({ sites, config }: UNet, latents: Grid): SiteAtGrid[] {
  return sites.map((site) => ({ ...site, grid: gridAt(site.path, config, latents) }));
}

/**
 * The floating-point operations of one row of one evaluation: two for each multiply-add in convolutions, linear layers
 * and attention. Everything else is ignored.
 *
 * @param tokens of the context
 */
export function flopsPerRow(unet: UNet, latents: Grid, tokens: number): number {
  let flops = 0;
  for (const { name, shape } of unet.parameters.values()) {
    if (shape.length < 2) continue;
    const { height, width } = gridAt(name, unet.config, latents);
    const once = name.startsWith('time_embedding.') || name.includes('.time_emb_proj.');
    const positions = once ? 1 : /\.attn2\.to_[kv]\./.test(name) ? tokens : height * width;
    flops += 2 * positions * shape.reduce((product, size) => product * size, 1);
  }
  for (const { kind, heads, headSize, grid } of sitesAt(unet, latents)) {
    const queries = grid.height * grid.width;
    flops += 4 * queries * (kind === 'self' ? queries : tokens) * heads * headSize;
  }
  return flops;
}

/**
 * A run's approximate memory besides the weights, in bytes: the larger of the UNet's (its skip connections, and some
 * ten maps at its highest resolution) and the VAE's while it decodes one picture.
 */
export function workingBytes(unet: UNet['config'], vae: VAE['config'], latents: Grid, rows: number): number {
  const { layers, mapsPerRow } = sizesPerRow(unet, latents);
  const skips = (layers + 1) * sumOf(mapsPerRow);
  const pixels = latents.height * latents.width * 4 ** (vae.block_out_channels.length - 1);
  return 4 * Math.max(rows * (skips + 10 * mapsPerRow[0]), 6 * pixels * vae.block_out_channels[0]);
}

/**
 * The approximate memory of a gradient through the UNet besides the weights, in bytes. Blocks of small maps keep their
 * intermediate tensors; those of large ones only their inputs (`checkpoint` in src/nn), and one such block's
 * intermediate tensors and gradients are in memory at a time; add to these the largest filter, rotated. It is 2.7 GB
 * for one row of Stable Diffusion, where 2.4 were measured.
 */
export function gradientBytes(unet: UNet['config'], latents: Grid, rows: number): number {
  const { layers, mapsPerRow } = sizesPerRow(unet, latents);
  const filter = 9 * 2 * Math.max(...unet.block_out_channels) ** 2;
  const maps = mapsPerRow.map((size) => rows * size);
  const isLarge = (map: number): boolean => map >= LEAST_TO_RECOMPUTE;
  const kept = maps.map((map) => (isLarge(map) ? 9 * (layers + 1) : 75 * (2 * layers + 1)) * map);
  return 4 * (sumOf(kept) + 120 * Math.max(0, ...maps.filter(isLarge)) + 3 * filter);
}

/** The number of elements in one row of a map at each level, and the number of layers in a block. */
function sizesPerRow(
  { block_out_channels: channels, layers_per_block: layers }: UNet['config'],
  { height, width }: Grid,
): { readonly mapsPerRow: readonly number[]; readonly layers: number } {
  return {
    mapsPerRow: channels.map((each, level) => ((height * width) / 4 ** level) * each),
    layers: typeof layers === 'number' ? layers : Math.max(...layers),
  };
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);
