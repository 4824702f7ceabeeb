import * as tf from '@tensorflow/tfjs';
import plain from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url';
import loader from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js?url';
import threaded from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.wasm?url';
import { type BackendInfo, chooseBackend } from 'prompt-to-prompt-tfjs/browser';
import type { Backend } from './protocol';

const wasmPaths = {
  'tfjs-backend-wasm.wasm': plain,
  'tfjs-backend-wasm-simd.wasm': simd,
  'tfjs-backend-wasm-threaded-simd.wasm': threaded,
  'tfjs-backend-wasm-threaded-simd.js': loader,
};

/** Starts the requested backend, or the fastest one available. @param warn called with what is not available */
export async function startBackend(asked: Backend | undefined, warn: (note: string) => void): Promise<BackendInfo> {
  const options = { wasmPaths, warn };
  if (asked === 'wasm' || (asked === undefined && !(await hasGraphicsCard()))) return chooseBackend('wasm', options);
  await import('@tensorflow/tfjs-backend-webgpu');
  if (asked === 'webgpu') return chooseBackend('webgpu', options);
  const started: { info: BackendInfo; seconds: number }[] = [];
  for (const name of ['wasm', 'webgpu'] as const) {
    try {
      started.push({ info: await chooseBackend(name, options), seconds: await measure() });
    } catch (error) {
      warn(`${name} is not used: ${(error as Error).message}`);
    }
  }
  const [fastest] = started.sort((a, b) => a.seconds - b.seconds);
  if (!fastest) throw new Error('This browser can compute neither with WebAssembly nor with WebGPU.');
  await tf.setBackend(fastest.info.name);
  return fastest.info;
}

async function hasGraphicsCard(): Promise<boolean> {
  const { gpu } = navigator as {
    gpu?: { requestAdapter(): Promise<{ isFallbackAdapter?: boolean; info?: { isFallbackAdapter?: boolean } } | null> };
  };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter && !adapter.isFallbackAdapter && !adapter.info?.isFallbackAdapter);
}

/** The seconds for a convolution and a product of a small UNet's sizes: the best of all runs within a second. */
async function measure(): Promise<number> {
  const x = tf.randomNormal<tf.Rank.R4>([4, 16, 16, 128]);
  const filter = tf.randomNormal<tf.Rank.R4>([3, 3, 128, 128]);
  const tokens = tf.randomNormal<tf.Rank.R3>([16, 256, 32]);
  let best = Infinity;
  try {
    for (const end = performance.now() + 1000; performance.now() < end; ) {
      const start = performance.now();
      const results = tf.tidy(() => [
        tf.sum(tf.conv2d(x, filter, 1, 'same')),
        tf.sum(tf.matMul(tokens, tokens, false, true)),
      ]);
      await Promise.all(results.map((result) => result.data()));
      tf.dispose(results);
      best = Math.min(best, performance.now() - start);
    }
  } finally {
    tf.dispose([x, filter, tokens]);
  }
  return best / 1000;
}
