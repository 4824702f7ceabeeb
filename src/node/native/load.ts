import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as util from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { activate, BackendError, type BackendInfo, type BackendOptions } from '../../backend/backendInfo';
import type { BackendName } from '../../backend/names';
import { operationsSum } from './install';
import { registerOwnKernels } from './kernels';
import type { NativePackage } from './locate';

/**
 * tfjs-node's backend, from a folder of the npm package: the user's own, or one built by `p2p native install`.
 *
 * Only the two modules that make up the backend are loaded, with our own loader, so that wherever the folder is, they
 * register with the tfjs that the rest of the program uses and find the `util.is...` functions that Node 23 removed.
 */

interface Bindings {
  readonly TF_Version: string;
}

interface BackendModule {
  NodeJSKernelBackend: new (bindings: Bindings, packageName: string) => tf.KernelBackend;
}

/** Makes the backend tfjs's current one. */
export async function startNative(
  name: BackendName,
  { folder, operations }: NativePackage,
  { threads, warn = console.warn }: BackendOptions = {},
): Promise<BackendInfo> {
  const cores = availableParallelism();
  if (!tf.findBackend('tensorflow')) {
    // TensorFlow reads this when it starts; its log of the processor's features is of no use to our users.
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    if (threads !== undefined) process.env.TF_NUM_INTRAOP_THREADS = String(threads);
    register(folder);
    if (operations === (await operationsSum())) registerOwnKernels();
    else if (operations)
      warn(
        'The native backend was built by another version of this program and is slower than necessary. Rebuild it with: p2p native install',
      );
  }
  await activate('tensorflow');
  const { version, bindings } = registered!;
  return {
    name,
    versions: { [packageName(folder)]: version, tensorflow: bindings.TF_Version },
    threads: Number(process.env.TF_NUM_INTRAOP_THREADS) || cores,
  };
}

let registered: { version: string; bindings: Bindings } | undefined;

function register(folder: string): void {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const bindings = loadAddon(folder);
  const load = moduleLoader({
    '@tensorflow/tfjs': tf,
    '@tensorflow/tfjs-core': tf,
    './proto/api_pb': {}, // TensorBoard's messages, which the backend imports but does not use; they would need google-protobuf.
    util: {
      ...util,
      isNullOrUndefined: (value: unknown) => value === null || value === undefined,
      isArray: Array.isArray,
    },
  });
  const { NodeJSKernelBackend } = load(join(folder, 'dist/nodejs_kernel_backend.js')) as BackendModule;
  load(join(folder, 'dist/register_all_kernels.js'));
  tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(bindings, packageName(folder)), 3);
  registered = { version, bindings };
}

/** A `require` for a package of CommonJS files that uses `substitutes` for the modules named there. */
function moduleLoader(substitutes: Readonly<Record<string, unknown>>): (file: string) => unknown {
  const modules = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = modules.get(file);
    if (known) return known.exports;
    const module = { exports: {} as unknown };
    modules.set(file, module);
    const requireFrom = (request: string): unknown => {
      if (request in substitutes) return substitutes[request];
      return request.startsWith('.')
        ? load(resolve(dirname(file), request.endsWith('.js') ? request : `${request}.js`))
        : require(request);
    };
    new Function('exports', 'require', 'module', readFileSync(file, 'utf8'))(module.exports, requireFrom, module);
    return module.exports;
  };
  return load;
}

function loadAddon(folder: string): Bindings {
  try {
    return require(addonFile(folder) ?? join(folder, 'lib')) as Bindings;
  } catch (error) {
    throw new BackendError(
      `tfjs-node's addon does not load: ${(error as Error).message}. Rebuild it with: p2p native install`,
    );
  }
}

/** The package's addon for the newest Node-API version that this Node supports, if there is one. */
export function addonFile(folder: string): string | undefined {
  const lib = join(folder, 'lib');
  const levels = existsSync(lib)
    ? readdirSync(lib).flatMap((entry) => Number(/^napi-v(\d+)$/.exec(entry)?.[1] ?? []))
    : [];
  const files = levels
    .filter((level) => level <= Number(process.versions.napi))
    .sort((a, b) => b - a)
    .map((level) => join(lib, `napi-v${level}`, 'tfjs_binding.node'));
  return files.find((file) => existsSync(file));
}

function packageName(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string }).name;
}
