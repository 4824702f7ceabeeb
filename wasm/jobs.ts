import { attention } from './attention';
import { arithmetic, geglu, silu } from './elementwise';
import { moveHeads } from './heads';
import { groupNorm, layerNorm } from './norms';
import { product, rowTable } from './product';
import { softmax } from './softmax';
import { sum } from './sum';
import { winograd, winogradFilter } from './winograd';

/** One chunk of a job; the numbers of the kinds are those of src/backend/wasmPool.ts. */
export function compute(kind: i32, control: usize, chunk: i32, thread: i32): void {
  switch (kind) {
    case 0: return rowTable(control, chunk);
    case 1: return product(control, chunk, thread);
    case 2: return attention(control, chunk, thread);
    case 3: return groupNorm(control, chunk, thread);
    case 4: return layerNorm(control, chunk);
    case 5: return softmax(control, chunk);
    case 6: return geglu(control, chunk);
    case 7: return silu(control, chunk);
    case 8: return arithmetic(control, chunk);
    case 9: return moveHeads(control, chunk);
    case 10: return winogradFilter(control, chunk, thread);
    case 11: return winograd(control, chunk, thread);
    case 12: return sum(control, chunk);
  }
}
