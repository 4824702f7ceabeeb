import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { activate, BackendError, type BackendInfo } from '../backend/backendInfo';
import { installedPackage } from './installedPackage';

const BACKEND = '@tensorflow/tfjs-backend-webgpu';

interface Adapter {
  readonly info?: { readonly description?: string; readonly vendor?: string };
}
interface Dawn {
  create(flags: string[]): { requestAdapter(): Promise<Adapter | null> };
  readonly globals: object;
}

/**
 * Starts tfjs's WebGPU backend on Dawn, which the package `webgpu` provides for Node; users install both packages
 * themselves. Tensors must be read with `data()`, because `dataSync()` needs a browser's canvas.
 *
 * @throws BackendError if a package or a graphics adapter is missing
 */
export async function startWebgpu(): Promise<BackendInfo> {
  const dawn = installedPackage('webgpu');
  const backend = installedPackage(BACKEND);
  if (!dawn || !backend)
    throw new BackendError(
      `The backend webgpu is not installed. Get it with: npm install webgpu ${BACKEND}@${tf.version.tfjs}`,
    );

  const { create, globals } = (await import(pathToFileURL(join(dawn.folder, 'index.js')).href)) as Dawn;
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (!adapter)
    throw new BackendError('WebGPU finds no graphics adapter: it needs a driver for Vulkan, Metal or Direct3D 12.');

  Object.assign(globalThis, globals);
  const navigator = (globalThis as { navigator?: object }).navigator ?? {};
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  require(backend.folder);
  if (!tf.findBackendFactory('webgpu')) {
    throw new BackendError(
      `${BACKEND} in ${backend.folder} uses a different copy of @tensorflow/tfjs-core than this program; install it at version ${tf.version.tfjs}, beside this package.`,
    );
  }
  await activate('webgpu');
  const { description, vendor } = adapter.info ?? {};
  return {
    name: 'webgpu',
    versions: { [BACKEND]: backend.version, webgpu: dawn.version },
    threads: 1,
    device: description || vendor,
  };
}
