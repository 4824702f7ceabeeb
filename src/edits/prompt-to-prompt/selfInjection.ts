import type * as tf from '@tensorflow/tfjs';
import type { AttentionCall, AttentionController } from '../../attention/controller';
import { isWithin } from '../../attention/grids';
import { type PromptRow, replaceRows, rowOf, takeRow, targetRows } from '../../attention/rows';
import { checkRanges, isDuring, rangeOf, type StepRange, type TargetRanges } from './schedule';

/** At which steps, and up to which grid, the source's self-attention is taken. */
export interface SelfInjectionOptions {
  /** Default: the first 0.4 of the run. Fractions are of its steps. */
  readonly during?: StepRange | TargetRanges;
  /** The side of the largest grid whose attention is injected, such as 32 (default: {@link layoutQueries} of the latents). */
  readonly maxSize?: number;
}

/**
 * The targets take the source's self-attention maps, and with them its layout (section 3.2 of the paper; the authors'
 * `replace_self_attention`). It copies the queries and keys: these give the same maps, which then never need to be
 * materialised.
 *
 * @throws if the batch lacks the source's row
 */
export function selfInjection({ during = 0.4, maxSize }: SelfInjectionOptions = {}): AttentionController {
  checkRanges(during);
  const taking = (call: AttentionCall): PromptRow[] =>
    targetRows(call).filter(({ prompt }) => isDuring(rangeOf(during, prompt - 1), call.step, call.steps));
  return {
    wants: (call) => {
      const wanted = call.site.kind === 'self' && isWithin(call, maxSize) && taking(call).length > 0;
      return wanted ? ['qkv'] : [];
    },
    onQkv({ q, k, v }, call) {
      const copySource = (x: tf.Tensor4D): tf.Tensor4D => {
        const source = takeRow(x, rowOf(0, call));
        return replaceRows(x, new Map(taking(call).map(({ row }) => [row, source])));
      };
      return { q: copySource(q), k: copySource(k), v };
    },
  };
}
