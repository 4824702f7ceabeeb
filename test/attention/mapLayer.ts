import * as tf from '@tensorflow/tfjs';
import { Attention, type AttentionOptions } from '../../src/attention/attention';
import type { AttentionController, BatchRow, Evaluation, Grid, Place, Role } from '../../src/attention/controller';
import { Scope } from '../../src/nn/scope';

/** Attention maps by row of the batch, query and key. One head. */
export type Maps = number[][][];

export interface MapLayerOptions {
  keys: number;
  kind?: AttentionOptions['kind'];
  place?: Place;
  path?: string;
}

/**
 * An attention layer whose weights and context are identities, so that its output is the given map, unless a controller
 * changes it.
 */
export class MapLayer {
  readonly layer: Attention;
  private readonly scope: Scope;
  private readonly keys: number;

  constructor({ keys, kind = 'cross', place = 'down', path = 'down_blocks.0.attn2' }: MapLayerOptions) {
    this.keys = keys;
    this.scope = new Scope(path);
    this.layer = new Attention(this.scope, { kind, place, queryDim: keys, contextDim: keys, heads: 1, headSize: keys });
    for (const parameter of this.scope.parameters.values()) {
      parameter.assign(parameter.name.endsWith('bias') ? new Float32Array(keys) : identity(keys));
    }
  }

  /** The input that makes the layer attend as in these maps: [rows, queries, keys] */
  hidden(maps: Maps): tf.Tensor3D {
    return tf.tidy(() => tf.mul(tf.log(tf.tensor3d(maps)), this.keys ** 0.5));
  }

  forward(hidden: tf.Tensor3D, grid: Grid, controller?: AttentionController, evaluation?: Evaluation): tf.Tensor3D {
    return tf.tidy(() => {
      const context = tf.tile(tf.tensor3d(identity(this.keys), [1, this.keys, this.keys]), [hidden.shape[0], 1, 1]);
      return this.layer.forward(hidden, context, grid, controller && { controller, evaluation: evaluation! });
    });
  }

  /** The maps that the layer uses in the end. Queries form one line, unless a grid is given. */
  attend(
    maps: Maps,
    controller?: AttentionController,
    evaluation?: Evaluation,
    grid: Grid = { height: 1, width: maps[0]!.length },
  ): Maps {
    return tf.tidy(() => this.forward(this.hidden(maps), grid, controller, evaluation).arraySync());
  }

  dispose(): void {
    this.scope.parameters.forEach((parameter) => parameter.dispose());
  }
}

/**
 * The evaluation at one step, with the prompts' conditional rows, after their unconditional rows if there is guidance.
 */
export function evaluation({
  prompts,
  step = 0,
  steps = 10,
  guidance = true,
  latents = { height: 16, width: 16 },
}: {
  prompts: number;
  step?: number;
  steps?: number;
  guidance?: boolean;
  latents?: Grid;
}): Evaluation {
  const rows = (role: Role): BatchRow[] => Array.from({ length: prompts }, (_, prompt) => ({ prompt, role }));
  return {
    step,
    steps,
    timestep: 981 - step,
    latents,
    rows: guidance ? [...rows('unconditional'), ...rows('conditional')] : rows('conditional'),
  };
}

function identity(size: number): Float32Array {
  return new Float32Array(size * size).map((_, i) => Number(i % (size + 1) === 0));
}
