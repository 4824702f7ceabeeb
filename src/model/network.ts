import type { Parameter, Scope } from '../nn/scope';

/** A network whose constructor declares its parameters, which a checkpoint then fills (`loadParameters`). */
export abstract class Network {
  /** By the checkpoint's keys. */
  readonly parameters: ReadonlyMap<string, Parameter>;

  protected constructor(scope: Scope) {
    this.parameters = scope.parameters;
  }

  /** How many numbers the parameters hold. */
  get size(): number {
    return [...this.parameters.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1),
      0,
    );
  }

  /** What the parameters take of memory, or will in float32 once they are loaded. */
  get bytes(): number {
    return [...this.parameters.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Frees the parameters; the network can be loaded anew. */
  dispose(): void {
    for (const parameter of this.parameters.values()) parameter.dispose();
  }
}
