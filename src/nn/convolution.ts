import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { widened } from '../backend/narrow';

export interface Convolution {
  /** [kernel, kernel, inChannels, outChannels]; no gradient flows to it. */
  readonly filter: tf.Tensor4D;
  /** [outChannels] */
  readonly bias: tf.Tensor1D;
  readonly stride: number;
  readonly padding: readonly [number, number];
}

/**
 * A convolution over NHWC. @param x [rows, height, width, inChannels] @returns [rows, (height + padding - kernel) /
 * stride + 1, likewise, outChannels]; gradients flow to `x` and the bias
 */
export function convolve(x: tf.Tensor4D, convolution: Convolution): tf.Tensor4D {
  const { filter, bias, stride, padding } = convolution;
  const [before, after] = padding;
  return fused<tf.Tensor4D, { x: tf.Tensor4D; bias: tf.Tensor1D }>('P2pConv2D', {
    inputs: { x, bias },
    constants: { filter },
    attributes: { stride, before, after },
    plain: (inputs) => plainConvolution(inputs.x, { ...convolution, ...inputs }),
    gradient: (dy) => ({
      x: inputGradient(dy, x.shape, convolution),
      bias: tf.sum(tf.reshape(dy, [-1, filter.shape[3]]), 0),
    }),
  });
}

function plainConvolution(x: tf.Tensor4D, { filter, bias, stride, padding }: Convolution): tf.Tensor4D {
  const [kernelSize] = filter.shape;
  // As TensorFlow's `same`, which needs no padded copy; besides it, tfjs-node supports only `valid`.
  const same = stride === 1 && padding.every((zeros) => 2 * zeros === kernelSize - 1);
  return tf.fused.conv2d({
    x: same || padding.every((zeros) => zeros === 0) ? x : tf.pad(x, [[0, 0], [...padding], [...padding], [0, 0]]),
    filter: widened(filter),
    bias,
    strides: stride,
    pad: same ? 'same' : 'valid',
  });
}

/**
 * The gradient of the input, [rows, height, width, inChannels], from that of the result: a convolution with the rotated
 * filter.
 */
function inputGradient(
  dy: tf.Tensor4D,
  [, height, width]: readonly number[],
  { filter, stride, padding }: Convolution,
): tf.Tensor4D {
  return tf.tidy(() => {
    const [kernelSize, , inChannels] = filter.shape;
    const [before, after] = padding;
    const places = (pixels: number): number => pixels + before + after - kernelSize + 1;
    return convolve(stride === 1 ? dy : apart(dy, stride, [places(height), places(width)]), {
      filter: turned(filter),
      bias: tf.zeros([inChannels]),
      stride: 1,
      padding: [kernelSize - 1 - before, kernelSize - 1 - after],
    });
  });
}

/** [height, width, in, out] -> [height, width, out, in], rotated by 180 degrees. */
function turned(filter: tf.Tensor4D): tf.Tensor4D {
  return fused<tf.Tensor4D, { filter: tf.Tensor4D }>('P2pTurnedFilter', {
    inputs: { filter },
    plain: () => {
      const [height, width, inChannels, outChannels] = filter.shape;
      const taps: tf.Tensor3D = tf.reshape(widened(filter), [height * width, inChannels, outChannels]);
      return tf.reshape(tf.transpose(tf.reverse(taps, 0), [0, 2, 1]), [height, width, outChannels, inChannels]);
    },
  });
}

/** The pixels `stride` apart, with zeros between them. @param size height and width of the result */
function apart(x: tf.Tensor4D, stride: number, size: readonly [height: number, width: number]): tf.Tensor4D {
  const [rows, height, width, channels] = x.shape;
  const line = tf.pad(tf.reshape(x, [rows * height * width, channels]), [
    [0, 0],
    [0, (stride - 1) * channels],
  ]);
  const across = stride * width * channels;
  const picture = tf.pad(tf.reshape(line, [rows * height, across]), [
    [0, 0],
    [0, (stride - 1) * across],
  ]);
  const whole: tf.Tensor4D = tf.reshape(picture, [rows, stride * height, stride * width, channels]);
  return tf.slice(whole, [0, 0, 0, 0], [rows, ...size, channels]);
}
