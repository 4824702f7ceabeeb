import { totalmem } from 'node:os';
import type { BackendName } from '../backend/names';

/** WebAssembly addresses memory with 32 bits. */
export const WASM_MEMORY = 2 ** 32;

/** The bytes of memory that this process may use: the machine's or its container's. */
export function machineMemory(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Infinity);
}

/** The bytes that all tensors together can take; unknown for a GPU. */
export function memoryLimit(name: BackendName): number | undefined {
  if (name === 'wasm') return Math.min(WASM_MEMORY, machineMemory());
  return name === 'node' || name === 'cpu' ? machineMemory() : undefined;
}
