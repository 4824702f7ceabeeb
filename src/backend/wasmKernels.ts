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

/** What products and softmax, which are ours here too, do as well one by one. */
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
 * Gives the wasm backend the kernels that make a diffusion network fast on it: one for each layer, and others in place
 * of tfjs's products, softmax, arithmetic, sums and copies, with the same gradients; and those that gradients of
 * `tf.gather` and of convolutions' filters need and tfjs has not for it. Call it once the package
 * `@tensorflow/tfjs-backend-wasm` is imported; again, or where that backend is not used, it does no harm. Where the
 * runtime cannot run them (no SIMD), tfjs's kernels stay.
 *
 * With several threads a kernel of ours may still be at work when it has returned. All others that are registered by
 * now wait for it; so register your own for that backend before.
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
