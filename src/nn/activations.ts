import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';

/** x sigmoid(x), also known as swish. */
export function silu<T extends tf.Tensor>(x: T): T {
  return swish(x, 1);
}

/** x sigmoid(1.702 x), OpenAI CLIP's approximation of gelu. */
export function quickGelu<T extends tf.Tensor>(x: T): T {
  return swish(x, 1.702);
}

function swish<T extends tf.Tensor>(x: T, slope: number): T {
  return fused<T, { x: T }>('P2pSilu', {
    inputs: { x },
    attributes: { slope },
    plain: (inputs) => tf.mul(inputs.x, tf.sigmoid(tf.mul(inputs.x, slope))),
    saved: ['x'],
    gradient: (dy, saved) => ({ x: tf.mul(dy, swishSlope(saved.x, slope)) }),
  });
}

/** The derivative of x sigmoid(slope x). */
export function swishSlope<T extends tf.Tensor>(x: T, slope: number): T {
  return tf.tidy(() => {
    const scaled = tf.mul(x, slope);
    const gate = tf.sigmoid(scaled);
    return tf.add(gate, tf.mul(tf.mul(scaled, gate), tf.sub(1, gate))) as T;
  });
}

/**
 * x Phi(x), with the exact normal distribution function Phi (using erf), like PyTorch's `gelu` without approximation.
 */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(x, phi(x)) as T);
}

/** The derivative of x Phi(x). */
function geluSlope<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return tf.add(phi(x), tf.mul(x, density)) as T;
  });
}

/** Phi, the distribution function of the standard normal distribution. */
function phi<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5) as T);
}

/**
 * The first half of the features times gelu of the second (Shazeer 2020, GEGLU). @param x [..., 2 features] @returns
 * [..., features]
 */
export function geglu<T extends tf.Tensor>(x: T): T {
  return fused<T, { x: T }>('P2pGeglu', {
    inputs: { x },
    plain: (inputs) => {
      const [hidden, gate] = halves(inputs.x);
      return tf.mul(hidden, gelu(gate));
    },
    saved: ['x'],
    gradient: (dy, saved) => ({ x: gegluGradient(saved.x, dy) }),
  });
}

function gegluGradient<T extends tf.Tensor>(x: T, dy: T): T {
  return fused<T, { x: T; dy: T }>('P2pGegluGradient', {
    inputs: { x, dy },
    plain: (inputs) => {
      const [hidden, gate] = halves(inputs.x);
      const forHidden = tf.mul(inputs.dy, gelu(gate));
      return tf.concat([forHidden, tf.mul(tf.mul(inputs.dy, hidden), geluSlope(gate))], -1) as T;
    },
  });
}

/** The two halves of the features, as slices, which are faster than `tf.split` on the backends. */
function halves<T extends tf.Tensor>(x: T): [T, T] {
  const shape = [...x.shape];
  const features = shape.pop()! / 2;
  const from = (begin: number): T => tf.slice(x, [...shape.map(() => 0), begin], [...shape, features]) as T;
  return [from(0), from(features)];
}
