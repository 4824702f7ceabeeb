import * as tf from '@tensorflow/tfjs';
import { bytesPerNumber, widened } from '../backend/narrow';

/**
 * A parameter's layout in memory, compared with the checkpoint's (PyTorch's): `plain` is the same; `linear` is [out,
 * in] -> [in, out]; `conv` is OIHW -> HWIO.
 */
export type Layout = 'plain' | 'linear' | 'conv';

/** A tensor that a layer declares and a checkpoint fills. */
export class Parameter {
  private tensor?: tf.Tensor;
  private joined?: JoinedParameters;

  constructor(
    /** The checkpoint's key, such as `down_blocks.0.resnets.0.conv1.weight`. */
    readonly name: string,
    /** The checkpoint's shape. */
    readonly shape: readonly number[],
    readonly layout: Layout,
  ) {}

  get isLoaded(): boolean {
    return this.tensor !== undefined || (this.joined?.isLoaded ?? false);
  }

  /**
   * The tensor, owned by the parameter. For a joined parameter, or one that the backend keeps in 16 bits, it is a copy,
   * which the caller disposes of.
   * @throws if the parameter has not been loaded, or was disposed.
   */
  get value(): tf.Tensor {
    return this.tensor ? widened(this.tensor) : this.kept;
  }

  /** For kernels: like `value`, but not a copy even if the backend keeps it in 16 bits. */
  get kept(): tf.Tensor {
    if (this.tensor) return this.tensor;
    if (this.joined?.isLoaded) return this.joined.part(this);
    throw new Error(`Parameter ${this.name} has no value: load a checkpoint into the network first.`);
  }

  /** The memory it takes, in bytes; before loading, what it would take as float32. */
  get bytes(): number {
    const tensor = this.joined?.isLoaded ? this.joined.kept : this.tensor;
    const numbers = this.shape.reduce((product, length) => product * length, 1);
    return numbers * (tensor ? bytesPerNumber(tensor) : 4);
  }

  /**
   * The parameters that share a tensor with this one, side by side along the last axis, including itself; only itself
   * if it is not joined.
   */
  get companions(): readonly Parameter[] {
    return this.joined?.parts ?? [this];
  }

  /** Takes ownership of a tensor that holds all its companions in their layout in memory. */
  take(laidOut: tf.Tensor): void {
    if (this.joined) this.joined.take(laidOut);
    else this.keep(laidOut);
  }

  /** Takes the checkpoint's numbers and converts them to the layout for tfjs. */
  assign(data: Float32Array): void {
    const laidOut = tf.tidy(() => {
      const stored = tf.tensor(data, [...this.shape], 'float32');
      if (this.layout === 'linear') return tf.transpose(stored, [1, 0]);
      return this.layout === 'conv' ? toHwio(stored as tf.Tensor4D) : stored;
    });
    this.keep(laidOut);
    this.joined?.join();
  }

  private keep(laidOut: tf.Tensor): void {
    this.tensor?.dispose();
    this.tensor = tf.keep(laidOut);
  }

  /** @internal Called by `JoinedParameters`: from now on the parameter is kept as a part of these. */
  joinTo(joined: JoinedParameters): void {
    this.joined = joined;
  }

  /** Frees the parameter's memory, and that of those it is joined with. */
  dispose(): void {
    this.joined?.dispose();
    this.release();
  }

  /** Frees the parameter's own tensor. */
  release(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
  }
}

/** OIHW -> HWIO, with height and width as one axis, because backends transpose three axes faster than four. */
function toHwio(filter: tf.Tensor4D): tf.Tensor4D {
  const [outputs, inputs, height, width] = filter.shape;
  return tf.reshape(tf.transpose(tf.reshape(filter, [outputs, inputs, height * width]), [2, 1, 0]), [
    height,
    width,
    inputs,
    outputs,
  ]);
}

/** Parameters that are kept side by side along the last axis of one tensor, once all of them are assigned. */
export class JoinedParameters {
  private tensor?: tf.Tensor;

  constructor(readonly parts: readonly Parameter[]) {
    for (const part of parts) part.joinTo(this);
  }

  get isLoaded(): boolean {
    return this.tensor !== undefined;
  }

  /**
   * The joined tensor, owned by this object; a copy if the backend keeps it in 16 bits.
   *
   * @throws if one of them has not been loaded, or was disposed
   */
  get value(): tf.Tensor {
    return widened(this.kept);
  }

  /** For kernels: the joined tensor, never a copy. @throws as `value` */
  get kept(): tf.Tensor {
    if (this.tensor) return this.tensor;
    const missing = this.parts.find((part) => !part.isLoaded) ?? this.parts[0];
    return missing.kept;
  }

  /** A copy of one of the parts. */
  part(part: Parameter): tf.Tensor {
    const sizes = this.parts.map(({ shape, layout }) => (layout === 'linear' ? shape[0] : shape[shape.length - 1]));
    return tf.tidy(() => tf.split(this.value, sizes, -1)[this.parts.indexOf(part)]);
  }

  /** Joins the parts' own tensors, once all are loaded. */
  join(): void {
    if (!this.parts.every((part) => part.isLoaded)) return;
    this.take(
      tf.tidy(() =>
        tf.concat(
          this.parts.map((part) => part.value),
          -1,
        ),
      ),
    );
  }

  /** Takes ownership of a tensor that holds all the parts. */
  take(joined: tf.Tensor): void {
    this.dispose();
    this.tensor = tf.keep(joined);
    for (const part of this.parts) part.release();
  }

  dispose(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
  }
}

/**
 * A place in a network, named as in the checkpoint. Layers declare their parameters here, so that a checkpoint's paths
 * match the layers and a network knows what it needs before anything is read.
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
