/** Converts a V8 profile to a tree of frames. */

import type { Profiler } from 'node:inspector';
import { basename } from 'node:path';

export type Profile = Profiler.Profile;

/** Whose code a frame runs. */
export type Owner = 'project' | 'tfjs' | 'kernel' | 'other';

export interface Frame {
  readonly name: string;
  readonly owner: Owner;
  /** Including its callees, in microseconds. */
  time: number;
  readonly children: Map<string, Frame>;
}

/** Frames that are anonymous or part of every operation; their callees are shown as those of their caller. */
const PLUMBING = new Set([
  'tidy',
  'scopedRun',
  'runKernel',
  'runKernelFunc',
  'kernelFunc',
  'forwardFunc',
  'runInCPU',
  'profileKernel',
  'f',
  'fn',
  'fused',
  '',
  '(root)',
]);

/** @returns the root; idle time is left out */
export function treeOf({ nodes, samples = [], timeDeltas = [] }: Profile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const own = new Map<number, number>();
  samples.forEach((id, i) => own.set(id, (own.get(id) ?? 0) + timeDeltas[i]));

  const root: Frame = { name: 'all', owner: 'other', time: 0, children: new Map() };
  for (const [id, time] of own) {
    const path: Profiler.ProfileNode[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) path.unshift(byId.get(at)!);
    if (path.some(({ callFrame }) => callFrame.functionName === '(idle)')) continue;
    add(root, path, time);
  }
  return root;
}

function add(root: Frame, path: readonly Profiler.ProfileNode[], time: number): void {
  let frame = root;
  frame.time += time;
  for (const { callFrame } of path) {
    const name = callFrame.functionName;
    if (PLUMBING.has(name.replace(/^Engine\.|[$_]?\d*$/g, ''))) continue;
    // Without the path, which is specific to this machine, and the line: equal names in one file are one frame.
    const label = callFrame.url && !callFrame.url.startsWith('wasm:') ? `${name} (${basename(callFrame.url)})` : name;
    const child: Frame = frame.children.get(label) ?? {
      name: label,
      owner: ownerOf(callFrame),
      time: 0,
      children: new Map(),
    };
    frame.children.set(label, child);
    child.time += time;
    frame = child;
  }
}

/** WebAssembly functions have a `wasm:` URL; native functions have none. */
function ownerOf({ url, functionName }: { url: string; functionName: string }): Owner {
  if (url.startsWith('wasm:') || functionName.startsWith('wasm-function') || functionName === 'executeOp')
    return 'kernel';
  if (url.includes('@tensorflow')) return 'tfjs';
  return /\/dist\/|\.cache\//.test(url) ? 'project' : 'other';
}
