import type { AttentionSite, Grid } from '../attention/controller';
import type { UNet, VAE } from './roles';

/** The latents of the size that the UNet was trained for. */
export function defaultLatents({ sample_size }: UNet['config']): Grid {
  // A config without a size is of a UNet for Stable Diffusion's 512x512 (diffusers' `default_sample_size`).
  const size = sample_size ?? 64;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  return { height, width };
}

/** A site with the grid of its queries. */
export interface SiteAtGrid extends AttentionSite {
  readonly grid: Grid;
}

/** The grid of a place in the UNet: each block but the last halves it on the way down, and doubles it on the way up. */
function gridAt(path: string, { block_out_channels: channels }: UNet['config'], latents: Grid): Grid {
  const last = channels.length - 1;
  const [place, block, part] = path.split('.');
  let level = 0;
  if (place === 'mid_block') level = last;
  if (place === 'down_blocks') level = Math.min(last, Number(block) + (part === 'downsamplers' ? 1 : 0));
  if (place === 'up_blocks') level = Math.max(0, last - Number(block) - (part === 'upsamplers' ? 1 : 0));
  return { height: Math.ceil(latents.height / 2 ** level), width: Math.ceil(latents.width / 2 ** level) };
}

/** Every attention layer of the UNet with its grid, for latents of this size. */
export function sitesAt({ sites, config }: UNet, latents: Grid): SiteAtGrid[] {
  return sites.map((site) => ({ ...site, grid: gridAt(site.path, config, latents) }));
}

/**
 * The floating-point operations of one row of one evaluation: two for each multiplication and addition of convolutions,
 * linear layers and attention. All else is left out.
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
 * Roughly what a run holds beside the weights, in bytes: the larger of what the UNet has at once (what its way down
 * leaves for the way up, and some ten maps of its widest place) and what the VAE has while it decodes one picture.
 */
export function workingBytes(unet: UNet['config'], vae: VAE['config'], latents: Grid, rows: number): number {
  const { skips, widest } = sizesPerRow(unet, latents);
  const pixels = latents.height * latents.width * 4 ** (vae.block_out_channels.length - 1);
  return 4 * Math.max(rows * (skips + 10 * widest), 6 * pixels * vae.block_out_channels[0]);
}

/**
 * Roughly what a gradient through the UNet holds beside the weights, in bytes: what the blocks are computed anew from
 * (`checkpoint` in src/nn) with gradients of the same sizes; what is made within one of the widest blocks, with its
 * gradients; and the largest filter, turned. 1.2 GB for a row of Stable Diffusion's, as measured.
 */
export function gradientBytes(unet: UNet['config'], latents: Grid, rows: number): number {
  const { skips, widest } = sizesPerRow(unet, latents);
  const filter = 9 * 2 * Math.max(...unet.block_out_channels) ** 2;
  return 4 * (rows * (9 * skips + 120 * widest) + 3 * filter);
}

/** Numbers of a row: in all that the way down leaves for the way up, and in a map of the UNet's widest place. */
function sizesPerRow(unet: UNet['config'], latents: Grid): { readonly skips: number; readonly widest: number } {
  const places = latents.height * latents.width;
  const perLevel = (level: number): number => (places / 4 ** level) * unet.block_out_channels[level];
  const layers = typeof unet.layers_per_block === 'number' ? unet.layers_per_block : Math.max(...unet.layers_per_block);
  const skips = unet.block_out_channels.reduce((sum, _, level) => sum + (layers + 1) * perLevel(level), 0);
  return { skips, widest: perLevel(0) };
}
