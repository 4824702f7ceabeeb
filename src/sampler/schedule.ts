import type { SchedulerConfig } from './schedulers';

/**
 * How much of the picture is left at each training timestep: the cumulative product of 1 - beta, rounded to float32
 * where diffusers rounds it (1 minus its first values loses digits, which shows in the last steps of a run).
 *
 * @returns `alphas_cumprod` [num_train_timesteps]
 */
export function alphasCumprod(config: SchedulerConfig): Float32Array {
  const betas = trainingBetas(config);
  return cumulativeProduct(config.rescale_betas_zero_snr ? rescaleZeroTerminalSnr(betas) : betas);
}

function trainingBetas({
  trained_betas,
  beta_schedule,
  beta_start,
  beta_end,
  num_train_timesteps,
}: SchedulerConfig): Float32Array {
  if (trained_betas) return Float32Array.from(trained_betas);
  switch (beta_schedule) {
    case 'linear':
      return linspace32(beta_start, beta_end, num_train_timesteps);
    case 'scaled_linear':
      return linspace32(beta_start ** 0.5, beta_end ** 0.5, num_train_timesteps).map((root) => root * root);
    case 'squaredcos_cap_v2':
      return cosineBetas(num_train_timesteps);
  }
}

/** `torch.linspace` in float32: the lower half is computed from the start, the upper from the end. */
function linspace32(start: number, end: number, count: number): Float32Array {
  const first = Math.fround(start);
  const last = Math.fround(end);
  const step = Math.fround(Math.fround(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count >> 1 ? first + step * i : last - step * (count - 1 - i),
  );
}

/** Cosine schedule (Nichol & Dhariwal 2021), with betas of at most 0.999. */
function cosineBetas(count: number): Float32Array {
  const alphaBar = (t: number): number => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  return Float32Array.from({ length: count }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / count) / alphaBar(i / count), 0.999),
  );
}

/** PyTorch's `cumprod(1 - betas)`: float32 factors, multiplied in double precision and rounded when stored. */
function cumulativeProduct(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => (product *= Math.fround(1 - beta)));
}

/** Rescales betas so that the last timestep is pure noise (Lin et al. 2023, arXiv 2305.08891, algorithm 1). */
function rescaleZeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulativeProduct(betas).map(Math.sqrt);
  const first = roots[0];
  const last = roots[roots.length - 1];
  const scale = Math.fround(first / Math.fround(first - last));
  const products = roots.map((root) => Math.fround(Math.fround(root - last) * scale)).map((root) => root * root);
  return products.map((product, i) => 1 - Math.fround(i === 0 ? product : product / products[i - 1]));
}

/** @throws RangeError if there are more timesteps than in training, or the first is beyond them */
export function checkTimesteps(timesteps: readonly number[], trained: number): void {
  if (timesteps.length <= trained && timesteps[0] < trained) return;
  throw new RangeError(
    `${timesteps.length} steps are too many: the network was trained with ${trained} timesteps, and the run would start at ${timesteps[0]}.`,
  );
}

/** numpy's `round`: halves go to the even neighbour. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** numpy's `linspace`, both ends included. */
export function linspace(start: number, end: number, count: number): number[] {
  const step = (end - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === count - 1 && i > 0 ? end : start + (i && i * step)));
}

/**
 * "trailing" timesteps: from the last one down, evenly spaced over the training's (`numpy.arange(last, 0, -ratio)`,
 * rounded, minus 1).
 */
export function trailingTimesteps(last: number, ratio: number): number[] {
  return Array.from({ length: Math.ceil(last / ratio) }, (_, i) => roundHalfEven(last + i * (last - ratio - last)) - 1);
}
