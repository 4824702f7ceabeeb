import * as tf from '@tensorflow/tfjs';

/**
 * How a parameter lies in memory, against how the checkpoint stores it (PyTorch's layout):
 * `plain` as it is; `linear` [out, in] -> [in, out]; `conv` OIHW -> HWIO.
 */
export type Layout = 'plain' | 'linear' | 'conv';

/** A tensor that a layer is made with and a checkpoint fills. */
export class Parameter {
  private tensor?: tf.Tensor;

  constructor(
    /** The checkpoint's key, such as `down_blocks.0.resnets.0.conv1.weight`. */
    readonly name: string,
    /** The checkpoint's shape. */
    readonly shape: readonly number[],
    readonly layout: Layout,
  ) {}

  /** @throws if the parameter has not been loaded, or was disposed. */
  get value(): tf.Tensor {
    if (!this.tensor) throw new Error(`Parameter ${this.name} has no value: load a checkpoint into the network first.`);
    return this.tensor;
  }

  /** Takes the checkpoint's numbers and lays them out for tfjs. */
  assign(data: Float32Array): void {
    const laidOut = tf.tidy(() => {
      const stored = tf.tensor(data, [...this.shape], 'float32');
      if (this.layout === 'linear') return tf.transpose(stored, [1, 0]);
      if (this.layout === 'conv') return tf.transpose(stored, [2, 3, 1, 0]);
      return stored;
    });
    this.dispose();
    this.tensor = tf.keep(laidOut);
  }

  dispose(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
  }
}

/**
 * A place in a network, named as the checkpoint names it. Layers declare their parameters here, so that a checkpoint's path
 * leads to its layer and a network knows what it needs before anything is read.
 */
export class Scope {
  constructor(
    readonly path = '',
    readonly parameters: Map<string, Parameter> = new Map(),
  ) {}

  /** The place below this one: `scope.at('attentions', 0)` is `<path>.attentions.0`. */
  at(...names: (string | number)[]): Scope {
    return new Scope([this.path, ...names].filter((name) => name !== '').join('.'), this.parameters);
  }

  parameter(name: string, shape: readonly number[], layout: Layout = 'plain'): Parameter {
    const parameter = new Parameter(this.at(name).path, shape, layout);
    if (this.parameters.has(parameter.name)) throw new Error(`Parameter ${parameter.name} is declared twice.`);
    this.parameters.set(parameter.name, parameter);
    return parameter;
  }
}
