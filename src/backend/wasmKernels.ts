import { registerWasmGeglu } from './wasmGeglu';
import { registerWasmGroupNorm } from './wasmGroupNorm';
import { replaceWasmMatMul } from './wasmMatMul';

/**
 * Gives the wasm backend the kernels that make a diffusion network fast on it. Call it once the package
 * `@tensorflow/tfjs-backend-wasm` is imported; again, or where that backend is not used, it does no harm.
 */
export function prepareWasm(): void {
  replaceWasmMatMul();
  registerWasmGeglu();
  registerWasmGroupNorm();
}
