/** Networks of real sizes with random weights: speed does not depend on the numbers. */
import { readFileSync } from 'node:fs';
import type { BackendInfo } from '../src/backend/backendInfo';
import { parseUNetConfig, type UNetConfig } from '../src/model/config';
import type { Network } from '../src/model/network';
import { UNet2DConditionModel } from '../src/model/unet';
import { full } from './measure';

/** A UNet to measure, the height and width of its latents, the length of its context, and how long to measure it. */
export interface UNetToMeasure {
  readonly name: string;
  readonly config: UNetConfig;
  readonly size: number;
  readonly tokens: number;
  readonly seconds: number;
}

/**
 * The embedded model's UNet, to be measured for `seconds`; with --full also Stable Diffusion 1.4's, if the backend's
 * memory is large enough.
 */
export function unetsFor(backend: BackendInfo, seconds: number): UNetToMeasure[] {
  const read = (file: string): UNetConfig => parseUNetConfig(JSON.parse(readFileSync(file, 'utf8')));
  return [
    { name: 'embedded', config: read('weights/emoji-world/unet/config.json'), size: 16, tokens: 32, seconds },
    ...(full && backend.name !== 'wasm'
      ? [{ name: 'SD 1.4', config: read('bench/unetSd14.json'), size: 64, tokens: 77, seconds: 100 }]
      : []),
  ];
}

/** How many random numbers are drawn, then repeated: drawing all of Stable Diffusion's would take a minute. */
const BLOCK = 1 << 20;

export function randomUNet(config: UNetConfig): UNet2DConditionModel {
  return randomised(new UNet2DConditionModel(config));
}

/** Fills a network with random weights. */
export function randomised<T extends Network>(network: T): T {
  const block = Float32Array.from({ length: BLOCK }, () => 0.06 * Math.random() - 0.03);
  for (const parameter of network.parameters.values()) {
    const size = parameter.shape.reduce((product, length) => product * length, 1);
    const values = new Float32Array(size);
    for (let at = 0; at < size; at += BLOCK) values.set(block.subarray(0, Math.min(BLOCK, size - at)), at);
    parameter.assign(values);
  }
  return network;
}
