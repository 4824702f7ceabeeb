import * as tf from '@tensorflow/tfjs';
import { bytesPerNumber, widened } from '../backend/narrow';

/**
 * How a parameter lies in memory, against how the checkpoint stores it (PyTorch's layout):
 * `plain` as it is; `linear` [out, in] -> [in, out]; `conv` OIHW -> HWIO.
 */
export type Layout = 'plain' | 'linear' | 'conv';

/** A tensor that a layer is made with and a checkpoint fills. */
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
   * Lent; of a joined parameter, and of one that the backend keeps in 16 bits, a copy, the caller's to dispose.
   * @throws if the parameter has not been loaded, or was disposed.
   */
  get value(): tf.Tensor {
    return this.tensor ? widened(this.tensor) : this.kept;
  }

  /** What a layer's kernel is given: as `value`, but lent also where the backend keeps it in 16 bits. */
  get kept(): tf.Tensor {
    if (this.tensor) return this.tensor;
    if (this.joined?.isLoaded) return this.joined.part(this);
    throw new Error(`Parameter ${this.name} has no value: load a checkpoint into the network first.`);
  }

  /** What it takes of memory, or will in float32 once it is loaded. */
  get bytes(): number {
    const tensor = this.joined?.isLoaded ? this.joined.kept : this.tensor;
    const numbers = this.shape.reduce((product, length) => product * length, 1);
    return numbers * (tensor ? bytesPerNumber(tensor) : 4);
  }

  /**
   * Those that this one lies side by side with along the last axis, itself among them; alone if it does so with none.
   */
  get companions(): readonly Parameter[] {
    return this.joined?.parts ?? [this];
  }

  /** Becomes the owner of a tensor that holds all its companions as they lie in memory. */
  take(laidOut: tf.Tensor): void {
    if (this.joined) this.joined.take(laidOut);
    else this.keep(laidOut);
  }

  /** Takes the checkpoint's numbers and lays them out for tfjs. */
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

  /** @internal From now on the parameter is kept as a part of these, which call it. */
  joinTo(joined: JoinedParameters): void {
    this.joined = joined;
  }

  /** Frees the parameter's memory, and that of those it is joined with. */
  dispose(): void {
    this.joined?.dispose();
    this.release();
  }

  /** Frees what the parameter has for itself. */
  release(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
  }
}

/** OIHW -> HWIO, with height and width as one axis: backends are faster with three axes than with four. */
function toHwio(filter: tf.Tensor4D): tf.Tensor4D {
  const [outputs, inputs, height, width] = filter.shape;
  return tf.reshape(tf.transpose(tf.reshape(filter, [outputs, inputs, height * width]), [2, 1, 0]), [
    height,
    width,
    inputs,
    outputs,
  ]);
}

/**
 * Parameters that lie in memory side by side, along the last axis of one tensor, from when all of them are assigned.
 */
export class JoinedParameters {
  private tensor?: tf.Tensor;

  constructor(readonly parts: readonly Parameter[]) {
    for (const part of parts) part.joinTo(this);
  }

  get isLoaded(): boolean {
    return this.tensor !== undefined;
  }

  /**
   * All of them; lent, or if the backend keeps them in 16 bits a copy. @throws if one of them has not been loaded, or
   * was disposed
   */
  get value(): tf.Tensor {
    return widened(this.kept);
  }

  /** What a layer's kernel is given: all of them, lent. @throws as `value` */
  get kept(): tf.Tensor {
    if (this.tensor) return this.tensor;
    const missing = this.parts.find((part) => !part.isLoaded) ?? this.parts[0];
    return missing.kept;
  }

  /** A copy of one of them. */
  part(part: Parameter): tf.Tensor {
    const sizes = this.parts.map(({ shape, layout }) => (layout === 'linear' ? shape[0] : shape[shape.length - 1]));
    return tf.tidy(() => tf.split(this.value, sizes, -1)[this.parts.indexOf(part)]);
  }

  /** Takes in what the parts have for themselves. */
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

  /** Becomes the owner of a tensor that holds all the parts. */
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
 * A place in a network, named as the checkpoint names it. Layers declare their parameters here, so that a checkpoint's
 * path leads to its layer and a network knows what it needs before anything is read.
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
