/**
 * Do the tests' comparisons with diffusers, transformers and the authors' code hold on every backend, and how closely?
 */
import { comparisons } from '../test/parity/all';
import type { Comparison } from '../test/parity/comparison';
import { option, startBackend } from './measure';

/** A comparison's outcome on a backend; `largest` is in standard deviations of the expected values. */
export interface Outcome extends Pick<Comparison, 'part' | 'name' | 'most'> {
  readonly backend: string;
  readonly threads: number;
  readonly device?: string;
  /** On node: whether bfloat16 tiles are used everywhere, not only for large layers. */
  readonly tiles?: boolean;
  readonly largest?: number;
  /** Why the comparison failed to run. */
  readonly failed?: string;
}

async function main(): Promise<void> {
  const tiles = option('tiles') === 'all' ? true : undefined;
  if (tiles) process.env.P2P_TILES = 'all';
  const { name: backend, threads, device } = await startBackend();
  for (const comparison of comparisons) {
    const { part, name, most } = comparison;
    const outcome: Outcome = { backend, threads, device, tiles, part, name, most, ...(await outcomeOf(comparison)) };
    console.log(JSON.stringify(outcome));
  }
}

async function outcomeOf(comparison: Comparison): Promise<Pick<Outcome, 'largest' | 'failed'>> {
  try {
    const largest = await comparison.largest();
    return Number.isFinite(largest)
      ? { largest: Number(largest.toPrecision(2)) }
      : { failed: `the difference is ${largest}` };
  } catch (error) {
    return { failed: (error as Error).message };
  }
}

void main().then(() => process.exit());
