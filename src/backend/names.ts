/** The backends, best first; `node-gpu` and `node` use TensorFlow's own kernels. */
export const BACKEND_NAMES = ['node-gpu', 'node', 'wasm', 'webgpu', 'cpu'] as const;
/** A backend's name; see docs/cli.md. */
export type BackendName = (typeof BACKEND_NAMES)[number];

/** Other names for them. */
const ALIASES: ReadonlyMap<string, BackendName> = new Map([['tensorflow', 'node']]);

/** Every name that a backend may be asked for by. */
export const BACKEND_CHOICES: readonly string[] = [...BACKEND_NAMES, ...ALIASES.keys()];

/** The backend that is asked for by this name; undefined if there is none. */
export function backendNamed(name: string): BackendName | undefined {
  return ALIASES.get(name) ?? BACKEND_NAMES.find((known) => known === name);
}
