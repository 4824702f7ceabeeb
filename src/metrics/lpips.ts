import * as tf from '@tensorflow/tfjs';
import type { Mask } from '../edits/prompt-to-prompt/givenMask';
import { fromPictures, type Picture } from '../image/picture';
import { Network } from '../model/network';
import { Conv2d } from '../nn/conv2d';
import { type Parameter, Scope } from '../nn/scope';
import { sequence } from '../nn/sequence';

/**
 * SqueezeNet 1.1's fire modules, by their index in torchvision's list, with their input, squeezed and expanded
 * channels.
 */
const FIRE: Readonly<Record<number, readonly [channels: number, squeezed: number, expanded: number]>> = {
  3: [64, 16, 64],
  4: [128, 16, 64],
  6: [128, 32, 128],
  7: [256, 32, 128],
  9: [256, 48, 192],
  10: [384, 48, 192],
  11: [384, 64, 256],
  12: [512, 64, 256],
};
const POOLS: readonly number[] = [2, 5, 8];

/** The layer indices of each slice whose features are compared, and the number of its channels. */
const SLICES: readonly { places: readonly number[]; channels: number }[] = [
  { places: [0], channels: 64 },
  { places: [2, 3, 4], channels: 128 },
  { places: [5, 6, 7], channels: 256 },
  { places: [8, 9], channels: 384 },
  { places: [10], channels: 384 },
  { places: [11], channels: 512 },
  { places: [12], channels: 512 },
];

/** Normalises pictures from -1 to 1 by ImageNet's mean and standard deviation. */
const SCALING = { shift: [-0.03, -0.088, -0.188], scale: [0.458, 0.448, 0.45] };

/**
 * Learned perceptual distance (Zhang et al. 2018) on SqueezeNet's features, as in the `lpips` package
 * (`lpips.LPIPS(net='squeeze')`, whose names the checkpoint uses).
 */
export class LPIPS extends Network {
  private readonly slices: readonly Slice[];
  private readonly weights: readonly Parameter[];

  constructor(scope = new Scope()) {
    super(scope);
    this.slices = SLICES.map(({ places }, i) => new Slice(scope.at('net', `slice${i + 1}`), places));
    this.weights = SLICES.map(({ channels }, i) =>
      scope.at(`lin${i}`, 'model', 1).parameter('weight', [1, channels, 1, 1]),
    );
  }

  /** @param images two pictures, each [1, height, width, 3], -1 to 1 @returns a scalar */
  between(...images: readonly [tf.Tensor4D, tf.Tensor4D]): tf.Scalar {
    return tf.tidy(() => {
      let [a, b] = images.map((image) => tf.div(tf.sub(image, SCALING.shift), SCALING.scale) as tf.Tensor4D);
      const distances = this.slices.map((slice, i) => {
        [a, b] = [slice.forward(a), slice.forward(b)];
        const difference = tf.squaredDifference(unit(a), unit(b));
        const weighted = tf.mul(difference, tf.reshape(this.weights[i].value, [1, 1, 1, -1]));
        return tf.mean(tf.sum(weighted, 3)) as tf.Scalar;
      });
      return tf.addN(distances);
    });
  }

  /** The distance, 0 or more. @param kept a mask that both pictures, in the range 0 to 1, are first multiplied by */
  async distance(a: Picture, b: Picture, kept?: Mask): Promise<number> {
    const distance = tf.tidy(() => this.between(prepared(a, kept), prepared(b, kept)));
    const [value] = await distance.data();
    distance.dispose();
    return value;
  }
}

function prepared(picture: Picture, kept?: Mask): tf.Tensor4D {
  const image = fromPictures([picture]);
  if (!kept) return image;
  const mask = tf.tensor4d(kept.data, [1, kept.height, kept.width, 1]);
  return tf.sub(tf.mul(tf.add(image, 1), mask), 1);
}

/** Normalises the channels at every place to a vector of length 1. */
function unit(x: tf.Tensor4D): tf.Tensor4D {
  return tf.div(x, tf.add(tf.norm(x, 'euclidean', 3, true), 1e-10));
}

/** A slice of torchvision's `squeezenet1_1().features`. */
class Slice {
  private readonly layers: readonly ((x: tf.Tensor4D) => tf.Tensor4D)[];

  constructor(scope: Scope, places: readonly number[]) {
    this.layers = places.map((place) => {
      if (POOLS.includes(place)) return pool;
      if (place === 0) {
        const conv = new Conv2d(scope.at(0), 3, 64, 3, { stride: 2 });
        return (x) => tf.relu(conv.forward(x));
      }
      const fire = new Fire(scope.at(place), ...FIRE[place]);
      return (x) => fire.forward(x);
    });
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => sequence(x, ...this.layers));
  }
}

/** 3x3 max pooling with stride 2, including an incomplete last window (`ceil_mode`). */
function pool(x: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const [below, right] = x.shape.slice(1).map((side) => (side % 2 === 0 ? 1 : 0));
    // Inputs are not negative, so padding with zeros does not change the maximum.
    const whole = tf.pad(x, [
      [0, 0],
      [0, below],
      [0, right],
      [0, 0],
    ]);
    return tf.maxPool(whole, 3, 2, 'valid');
  });
}

/**
 * SqueezeNet's fire module: squeezes to few channels, then expands with 1x1 and 3x3 convolutions (Iandola et al. 2016).
 */
class Fire {
  private readonly squeeze: Conv2d;
  private readonly expand1x1: Conv2d;
  private readonly expand3x3: Conv2d;

  constructor(scope: Scope, channels: number, squeezed: number, expanded: number) {
    this.squeeze = new Conv2d(scope.at('squeeze'), channels, squeezed, 1);
    this.expand1x1 = new Conv2d(scope.at('expand1x1'), squeezed, expanded, 1);
    this.expand3x3 = new Conv2d(scope.at('expand3x3'), squeezed, expanded, 3, { padding: 1 });
  }

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      const squeezed = tf.relu(this.squeeze.forward(x));
      return tf.concat([tf.relu(this.expand1x1.forward(squeezed)), tf.relu(this.expand3x3.forward(squeezed))], 3);
    });
  }
}
