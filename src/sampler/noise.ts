import * as tf from '@tensorflow/tfjs';

const { PI, cos, fround, imul, log, log1p, sin, sqrt } = Math;

/**
 * The 32-bit Mersenne Twister, mt19937 (Matsumoto & Nishimura 1998), as PyTorch seeds and reads it.
 */
class MersenneTwister {
  private readonly state = new Uint32Array(624);
  private next = 624;

  constructor(seed: number) {
    this.state[0] = seed;
    for (let i = 1; i < 624; i++) {
      const previous = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = imul(1812433253, previous) + i;
    }
  }

  uint32(): number {
    if (this.next === 624) this.twist();
    let y = this.state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  private twist(): void {
    const { state } = this;
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}

/** PyTorch draws normal numbers in blocks of this size, or one by one if there are fewer. */
const BLOCK = 16;
const TWO_PI = fround(2 * PI);

/**
 * PyTorch's generator on the CPU: `torch.Generator('cpu').manual_seed(seed)`.
 * Its numbers are those of `torch.randn(shape, generator=...)`, call after call, to 1e-6.
 *
 * @see ATen/native/cpu/DistributionTemplates.h (`normal_fill`) and ATen/core/DistributionsHelper.h
 *   (`normal_distribution`)
 */
export class TorchGenerator {
  private readonly engine: MersenneTwister;
  /** The second number of a pair, until it is used. */
  private spare?: number;

  /**
   * @param seed a whole number from -2^63 to 2^64 - 1 (as a bigint beyond 2^53). PyTorch's engine takes its lower 32
   *   bits; for a negative seed, those of 2^64 + seed.
   * @throws RangeError for any other number
   */
  constructor(readonly seed: number | bigint) {
    if (typeof seed === 'number' ? !Number.isSafeInteger(seed) : seed < -(1n << 63n) || seed >= 1n << 64n) {
      throw new RangeError(
        `The seed is ${seed}: it must be a whole number from -2^63 to 2^64 - 1 (beyond 2^53, a bigint).`,
      );
    }
    this.engine = new MersenneTwister(Number(BigInt(seed) & 0xffffffffn));
  }

  /**
   * Standard normal numbers in row-major order.
   *
   * @param shape in PyTorch's axis order: latents are [rows, channels, height, width]
   */
  randn(shape: readonly number[]): Float32Array {
    const numbers = new Float32Array(shape.reduce((product, size) => product * size, 1));
    if (numbers.length < BLOCK) return numbers.map(() => this.normal());
    for (let i = 0; i < numbers.length; i++) numbers[i] = this.uniform24();
    for (let start = 0; start + BLOCK <= numbers.length; start += BLOCK)
      toNormal(numbers.subarray(start, start + BLOCK));
    if (numbers.length % BLOCK !== 0) {
      const tail = numbers.subarray(numbers.length - BLOCK);
      for (let i = 0; i < BLOCK; i++) tail[i] = this.uniform24();
      toNormal(tail);
    }
    return numbers;
  }

  /** One number by Box-Muller in double precision. */
  private normal(): number {
    if (this.spare !== undefined) {
      const spare = this.spare;
      this.spare = undefined;
      return spare;
    }
    const angle = 2 * PI * this.uniform53();
    const radius = sqrt(-2 * log1p(-this.uniform53()));
    this.spare = radius * sin(angle);
    return radius * cos(angle);
  }

  /** In [0, 1), with 24 random bits. */
  private uniform24(): number {
    return (this.engine.uint32() & 0xffffff) * 2 ** -24;
  }

  /** In [0, 1), with 53 random bits: the lower 21 of one draw, then the 32 of the next. */
  private uniform53(): number {
    const high = this.engine.uint32() & 0x1fffff;
    return (high * 2 ** 32 + this.engine.uint32()) * 2 ** -53;
  }
}

/**
 * Box-Muller over one block, in place: eight radii, then eight angles. Rounded to float32 where PyTorch rounds enough
 * to matter.
 */
function toNormal(block: Float32Array): void {
  const half = BLOCK / 2;
  for (let i = 0; i < half; i++) {
    const radius = fround(sqrt(fround(-2 * fround(log(1 - block[i])))));
    const angle = fround(TWO_PI * block[i + half]);
    block[i] = radius * cos(angle);
    block[i + half] = radius * sin(angle);
  }
}

/**
 * The noise that a run starts from: `torch.randn([1, channels, height, width])`, transposed to NHWC.
 *
 * @returns [1, height, width, channels]. The caller disposes of it.
 */
export function randomLatents(
  generator: TorchGenerator,
  { height, width, channels }: { height: number; width: number; channels: number },
): tf.Tensor4D {
  return tf.tidy(() =>
    tf.transpose(
      tf.tensor4d(generator.randn([1, channels, height, width]), [1, channels, height, width]),
      [0, 2, 3, 1],
    ),
  );
}
