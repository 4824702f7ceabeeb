import * as tf from '@tensorflow/tfjs';
import { fused } from '../backend/fused';
import { JoinedParameters, type Parameter, type Scope } from './scope';

/** y = x W + b over the last axis. */
export class Linear {
  private readonly weight: Parameter;
  private readonly bias?: Parameter;

  constructor(
    scope: Scope,
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: { bias?: boolean } = {},
  ) {
    this.weight = scope.parameter('weight', [outFeatures, inFeatures], 'linear');
    if (options.bias ?? true) this.bias = scope.parameter('bias', [outFeatures]);
  }

  /** @param x [..., inFeatures] @returns [..., outFeatures]; gradients flow only to `x` */
  forward<T extends tf.Tensor>(x: T): T {
    return product(x, this.weight, this.bias);
  }
}

/** Linear layers with the same input, computed as one product. */
export class JoinedLinear {
  private readonly weight: JoinedParameters;
  private readonly bias?: JoinedParameters;

  /** @param scopes the layers' scopes, each with outFeatures */
  constructor(scopes: readonly Scope[], inFeatures: number, outFeatures: number, options: { bias?: boolean } = {}) {
    this.weight = new JoinedParameters(
      scopes.map((scope) => scope.parameter('weight', [outFeatures, inFeatures], 'linear')),
    );
    if (options.bias) this.bias = new JoinedParameters(scopes.map((scope) => scope.parameter('bias', [outFeatures])));
  }

  /**
   * @param x [..., inFeatures]
   * @returns the layers' results side by side, [..., layers x outFeatures]; gradients flow only to `x`
   */
  forward<T extends tf.Tensor>(x: T): T {
    return product(x, this.weight, this.bias);
  }
}

type Values = Pick<Parameter, 'value' | 'kept'>;

function product<T extends tf.Tensor>(x: T, weight: Values, bias?: Values): T {
  const constants = { weight: weight.kept, ...(bias && { bias: bias.value }) };
  const [inFeatures, outFeatures] = constants.weight.shape;
  const rows = (tensor: tf.Tensor, features: number): tf.Tensor2D => tf.reshape(tensor, [-1, features]);
  return fused<T, { x: T }>('P2pLinear', {
    inputs: { x },
    constants,
    attributes: { biases: bias ? 1 : 0 },
    plain: (inputs) => {
      const [a, b] = [rows(inputs.x, inFeatures), weight.value as tf.Tensor2D];
      // tfjs's fused product does three reshapes that a plain one does not need.
      const y = bias ? tf.fused.matMul({ a, b, bias: bias.value }) : tf.matMul(a, b);
      return tf.reshape(y, [...x.shape.slice(0, -1), outFeatures]) as T;
    },
    gradient: (dy) => ({
      x: tf.reshape(tf.matMul(rows(dy, outFeatures), weight.value as tf.Tensor2D, false, true), x.shape) as T,
    }),
  });
}
