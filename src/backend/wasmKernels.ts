import * as tf from '@tensorflow/tfjs';
import type { FusedKernel } from './fused';
import { attention, selfAttention } from './wasmAttention';
import { conv2d } from './wasmConv2d';
import { concatOr, identity, resizeNearestOr, reverseOr, sliceOr } from './wasmCopies';
import { arithmeticOr, geglu, gegluGradient, silu, softmax } from './wasmElementwise';
import { BORROWED, borrowed, turnedFilter, unsortedSegmentSum } from './wasmGradients';
import { mergeHeads, splitHeads } from './wasmHeads';
import { registerWasm, settleBeforeOthers, type WasmKernel } from './wasmKernel';
import { batchMatMul, fusedMatMul, linear } from './wasmMatMul';
import { groupNorm, groupNormGradient, layerNorm, layerNormGradient } from './wasmNorms';
import { hasWasmKernels } from './wasmPool';
import { sumOr } from './wasmSum';

/** Kernels not needed here, because our separate kernels for products and softmax are as fast. */
type Plain = 'P2pAttentionLogits' | 'P2pAttentionValues' | 'P2pSelfAttentionGradient';

const LAYERS: Readonly<Record<Exclude<FusedKernel, Plain>, WasmKernel>> = {
  P2pConv2D: conv2d,
  P2pTurnedFilter: turnedFilter,
  P2pLinear: linear,
  P2pGroupNorm: groupNorm,
  P2pLayerNorm: layerNorm,
  P2pGroupNormGradient: groupNormGradient,
  P2pLayerNormGradient: layerNormGradient,
  P2pSilu: silu,
  P2pGeglu: geglu,
  P2pGegluGradient: gegluGradient,
  P2pAttention: attention,
  P2pSelfAttention: selfAttention,
  P2pSplitHeads: splitHeads,
  P2pMergeHeads: mergeHeads,
};

/**
 * Registers the kernels that make a diffusion network fast on the wasm backend: one for each layer, replacements for
 * tfjs's products, softmax, arithmetic, sums and copies, with the same gradients, and those that tfjs lacks there for
 * the gradients of `tf.gather` and of convolutions' filters. Call it after importing `@tensorflow/tfjs-backend-wasm`;
 * calling it again, or without that backend, does no harm. If the runtime cannot run them (no SIMD), tfjs's kernels
 * stay.
 *
 * With several threads, our kernels may still be running after they return. All other kernels registered so far will
 * wait for them, so register your own kernels for that backend first.
 */
export function prepareWasm(): void {
  if (!tf.getKernel('Add', 'wasm') || tf.getKernel('P2pLinear', 'wasm') || !hasWasmKernels()) return;
  settleBeforeOthers();
  const plain = (name: string): tf.KernelFunc => tf.getKernel(name, 'wasm').kernelFunc;
  const replaced = {
    BatchMatMul: batchMatMul,
    _FusedMatMul: fusedMatMul,
    Softmax: softmax,
    Identity: identity,
    Add: arithmeticOr('Add', plain('Add')),
    Sub: arithmeticOr('Sub', plain('Sub')),
    Multiply: arithmeticOr('Multiply', plain('Multiply')),
    RealDiv: arithmeticOr('RealDiv', plain('RealDiv')),
    Sum: sumOr(plain('Sum')),
    Concat: concatOr(plain('Concat')),
    Slice: sliceOr(plain('Slice')),
    Reverse: reverseOr(plain('Reverse')),
    ResizeNearestNeighbor: resizeNearestOr(plain('ResizeNearestNeighbor')),
  };
  const missing = {
    UnsortedSegmentSum: unsortedSegmentSum,
    ...Object.fromEntries(BORROWED.map((name) => [name, borrowed(name)])),
  };
  for (const [name, kernel] of Object.entries({ ...LAYERS, ...replaced, ...missing })) registerWasm(name, kernel);
}
