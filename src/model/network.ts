import type { Parameter, Scope } from '../nn/scope';

/** A network whose constructor declares its parameters, which a checkpoint then fills (`loadParameters`). */
export abstract class Network {
  /** By the checkpoint's keys. */
  readonly parameters: ReadonlyMap<string, Parameter>;

  protected constructor(scope: Scope) {
    this.parameters = scope.parameters;
  }

  /** The number of parameters, counting single numbers. */
  get size(): number {
    return [...this.parameters.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1),
      0,
    );
  }

  /** The memory that the parameters take, in bytes; before loading, what they would take as float32. */
  get bytes(): number {
    return [...this.parameters.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Frees the parameters; the network can be loaded again. */
  dispose(): void {
    for (const parameter of this.parameters.values()) parameter.dispose();
  }
}
