import { attention } from './attention';
import { arithmetic, geglu, silu } from './elementwise';
import { moveHeads } from './heads';
import { groupNorm, groupNormGradient, layerNorm, layerNormGradient } from './norms';
import { product, rowTable } from './product';
import { softmax } from './softmax';
import { sum } from './sum';
import { winograd, winogradFilter } from './winograd';

/** One chunk of a job; the numbers of the kinds are those of src/backend/wasmPool.ts. */
export function compute(kind: i32, slot: usize, chunk: i32, thread: i32): void {
  switch (kind) {
    case 0: return rowTable(slot, chunk);
    case 1: return product(slot, chunk, thread);
    case 2: return attention(slot, chunk, thread);
    case 3: return groupNorm(slot, chunk, thread);
    case 4: return layerNorm(slot, chunk);
    case 5: return softmax(slot, chunk);
    case 6: return geglu(slot, chunk);
    case 7: return silu(slot, chunk);
    case 8: return arithmetic(slot, chunk);
    case 9: return moveHeads(slot, chunk);
    case 10: return winogradFilter(slot, chunk, thread);
    case 11: return winograd(slot, chunk, thread);
    case 12: return sum(slot, chunk);
    case 13: return groupNormGradient(slot, chunk, thread);
    case 14: return layerNormGradient(slot, chunk);
  }
}
