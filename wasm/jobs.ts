import { Job } from '../src/backend/wasmLayout';
import { attention } from './attention';
import { arithmetic, geglu, gegluGradient, silu } from './elementwise';
import { moveHeads } from './heads';
import { groupNorm, groupNormGradient, layerNorm, layerNormGradient } from './norms';
import { product, rowTable } from './product';
import { softmax } from './softmax';
import { sum } from './sum';
import { turnedFilter } from './turnedFilter';
import { winograd, winogradFilter } from './winograd';

/** Computes one chunk of a job. @param kind a {@link Job} */
export function compute(kind: i32, slot: usize, chunk: i32, thread: i32): void {
  switch (kind) {
    case Job.rowTable: return rowTable(slot, chunk);
    case Job.product: return product(slot, chunk, thread);
    case Job.attention: return attention(slot, chunk, thread);
    case Job.groupNorm: return groupNorm(slot, chunk, thread);
    case Job.layerNorm: return layerNorm(slot, chunk);
    case Job.softmax: return softmax(slot, chunk);
    case Job.geglu: return geglu(slot, chunk);
    case Job.silu: return silu(slot, chunk);
    case Job.arithmetic: return arithmetic(slot, chunk);
    case Job.moveHeads: return moveHeads(slot, chunk);
    case Job.winogradFilter: return winogradFilter(slot, chunk, thread);
    case Job.winograd: return winograd(slot, chunk, thread);
    case Job.sum: return sum(slot, chunk);
    case Job.groupNormGradient: return groupNormGradient(slot, chunk, thread);
    case Job.layerNormGradient: return layerNormGradient(slot, chunk);
    case Job.turnedFilter: return turnedFilter(slot, chunk);
    case Job.gegluGradient: return gegluGradient(slot, chunk);
  }
}
