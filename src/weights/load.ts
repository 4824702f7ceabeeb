import * as tf from '@tensorflow/tfjs';
import { CheckpointError, listed } from '../errors';
import type { Parameter } from '../nn/scope';
import { directReader } from './directReader';
import { hintOn } from './kinds';
import type { TensorSource } from './source';
import { count } from './view';

export interface LoadOptions {
  /** Called after each tensor with how many of the network's numbers are loaded, and their total. */
  onProgress?(loaded: number, total: number): void;
}

/** Numbers in a batch that a backend reads at once, 64 MiB: between batches, other work gets its turn. */
const AT_ONCE = 2 ** 24;

/**
 * Fills a network's parameters from a checkpoint, one tensor at a time, so that peak memory is the network plus one
 * tensor. A backend that can read files itself reads many tensors at once, without that extra tensor. On failure, all
 * parameters are disposed of.
 *
 * @throws CheckpointError listing the tensors that are missing, left over, or of the wrong shape
 */
export async function loadParameters(
  parameters: ReadonlyMap<string, Parameter>,
  source: TensorSource,
  options: LoadOptions = {},
): Promise<void> {
  checkTensors(parameters, source);
  const total = [...parameters.values()].reduce((sum, parameter) => sum + count(parameter.shape), 0);
  let loaded = 0;
  const progress = ({ shape }: Parameter): void => options.onProgress?.((loaded += count(shape)), total);
  try {
    for (const groups of batches(parameters, source)) await fill(groups, source, progress);
  } catch (error) {
    for (const parameter of parameters.values()) parameter.dispose();
    throw error;
  }
}

/** Parameters that share one tensor in memory: a parameter's companions. */
type Group = readonly Parameter[];

/** All groups, in the order of the file. */
function* batches(parameters: ReadonlyMap<string, Parameter>, source: TensorSource): Generator<Group[]> {
  const groups = new Set([...source.tensors.keys()].map((name) => parameters.get(name)!.companions));
  let batch: Group[] = [];
  let numbers = 0;
  for (const group of groups) {
    batch.push(group);
    numbers += group.reduce((sum, { shape }) => sum + count(shape), 0);
    if (numbers < AT_ONCE) continue;
    yield batch;
    [batch, numbers] = [[], 0];
  }
  yield batch;
}

async function fill(
  groups: readonly Group[],
  source: TensorSource,
  progress: (parameter: Parameter) => void,
): Promise<void> {
  const direct = await readDirectly(groups, source);
  for (const [group, tensor] of direct) group[0].take(tensor);
  await checkTaken([...direct.keys()].flat(), source);
  for (const group of groups) {
    for (const parameter of group) {
      if (!direct.has(group)) parameter.assign(await readFinite(parameter.name, source));
      progress(parameter);
    }
  }
}

/** A tensor's numbers. @throws CheckpointError naming it if one of them is NaN or infinite in float32 */
async function readFinite(name: string, source: TensorSource): Promise<Float32Array> {
  const numbers = await source.read(name);
  const first = numbers.findIndex((number) => !Number.isFinite(number));
  if (first < 0) return numbers;
  const count = numbers.reduce((sum, number) => sum + Number(!Number.isFinite(number)), 0);
  throw new CheckpointError(
    `${source.name}: ${name} has ${count} of ${numbers.length} numbers that are not finite in float32, the first (${numbers[first]}) at ${first}. ` +
      'The file is damaged, or was saved from a failed training: get an intact copy.',
  );
}

/** The same check for what the backend has read itself; only a tensor that fails is read again, to say where. */
async function checkTaken(parameters: readonly Parameter[], source: TensorSource): Promise<void> {
  if (parameters.length === 0) return;
  // A tidy for each, because the value may be a copy. A number times 0 is 0 only if it is finite.
  const sums = tf.tidy(() =>
    tf.stack(parameters.map((parameter) => tf.tidy(() => tf.sum(tf.mul(parameter.value, 0))))),
  );
  const found = await sums.data();
  sums.dispose();
  for (const [i, { name }] of parameters.entries()) if (found[i] !== 0) await readFinite(name, source);
}

/** Reads those groups that the backend can read itself. */
async function readDirectly(groups: readonly Group[], source: TensorSource): Promise<Map<Group, tf.Tensor>> {
  const reader = directReader();
  if (!reader) return new Map();
  const placed = groups.flatMap((group) => {
    const parts = group.flatMap(({ name, shape }) => {
      const place = source.place?.(name);
      return place ? { place, shape } : [];
    });
    return parts.length === group.length ? { group, parts, layout: group[0].layout } : [];
  });
  const read = placed.length > 0 ? await reader(placed) : [];
  return new Map(placed.flatMap(({ group }, i) => (read[i] ? [[group, read[i]] as const] : [])));
}

function checkTensors(parameters: ReadonlyMap<string, Parameter>, source: TensorSource): void {
  const missing = [...parameters.keys()].filter((name) => !source.tensors.has(name));
  const leftOver = [...source.tensors.keys()].filter((name) => !parameters.has(name));
  const misShaped = [...parameters.values()].flatMap(({ name, shape }) => {
    const stored = source.tensors.get(name)?.shape;
    return stored && !sameShape(stored, shape)
      ? [`${name} [${stored.join(', ')}] instead of [${shape.join(', ')}]`]
      : [];
  });
  const problems = [
    missing.length > 0 && `missing: ${listed(missing)}`,
    leftOver.length > 0 && `not in the network: ${listed(leftOver)}`,
    misShaped.length > 0 && `of another shape: ${listed(misShaped)}`,
  ].filter(Boolean);
  if (problems.length > 0) {
    throw new CheckpointError(
      `${source.name} does not fit its config.\n  ${problems.join('\n  ')}\n${hintOn(leftOver) ?? 'Give the config that the weights were saved with.'}`,
    );
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
