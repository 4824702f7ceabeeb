import * as tf from '@tensorflow/tfjs';
import { activate, BackendError, type BackendInfo } from '../backend/backendInfo';
import { startWasm, type WasmOptions } from './wasm';

/** The backends that the browser module can start. */
export type BrowserBackend = 'wasm' | 'webgpu';

/**
 * Starts a backend and makes it tfjs's current one.
 *
 * @param name `webgpu` needs the package `@tensorflow/tfjs-backend-webgpu` imported
 * @throws BackendError if it is not available; the message says why
 */
export async function chooseBackend(name: BrowserBackend, options: WasmOptions): Promise<BackendInfo> {
  return name === 'webgpu' ? startWebgpu() : startWasm(options);
}

interface Gpu {
  requestAdapter(): Promise<{ readonly info?: { readonly description?: string; readonly vendor?: string } } | null>;
}

async function startWebgpu(): Promise<BackendInfo> {
  const { gpu } = navigator as { gpu?: Gpu };
  if (!gpu)
    throw new BackendError(
      'WebGPU is not available in this browser. It needs a page served over https or from localhost.',
    );
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new BackendError('WebGPU finds no graphics adapter on this machine.');
  if (!tf.findBackendFactory('webgpu'))
    throw new BackendError('The backend webgpu is not available: import @tensorflow/tfjs-backend-webgpu first.');
  await activate('webgpu');
  const { description, vendor } = adapter.info ?? {};
  return {
    name: 'webgpu',
    versions: { '@tensorflow/tfjs-backend-webgpu': tf.version_core },
    threads: 1,
    device: description || vendor,
  };
}
