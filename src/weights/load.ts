import { directReader } from '../backend/directReader';
import type { Parameter } from '../nn/scope';
import { CheckpointError, listed } from './error';
import type { TensorSource } from './source';
import { count } from './view';

export interface LoadOptions {
  /** After each tensor: how many of the network's numbers are loaded, of how many. */
  onProgress?(loaded: number, total: number): void;
}

/**
 * Fills a network's parameters from a checkpoint, one tensor at a time: the peak of memory is the network and one tensor. A backend that
 * can read files by itself does so, and then there is no such tensor besides.
 * If anything fails, no parameter is left with a value.
 *
 * @throws CheckpointError that lists the tensors which are missing, left over, or of another shape than the network's
 */
export async function loadParameters(parameters: ReadonlyMap<string, Parameter>, source: TensorSource, options: LoadOptions = {}): Promise<void> {
  checkTensors(parameters, source);
  const total = [...parameters.values()].reduce((sum, parameter) => sum + count(parameter.shape), 0);
  const filled = new Set<Parameter>();
  let loaded = 0;
  try {
    for (const name of source.tensors.keys()) {
      const parameter = parameters.get(name) as Parameter;
      if (filled.has(parameter)) continue;
      for (const one of await fill(parameter, source)) {
        filled.add(one);
        options.onProgress?.(loaded += count(one.shape), total);
      }
    }
  } catch (error) {
    for (const parameter of parameters.values()) parameter.dispose();
    throw error;
  }
}

/** @returns the parameters that were filled: this one, and those beside it if they were read in one go */
async function fill(parameter: Parameter, source: TensorSource): Promise<readonly Parameter[]> {
  const { companions, layout } = parameter;
  const parts = companions.flatMap(({ name, shape }) => {
    const place = source.tensors.has(name) ? source.place?.(name) : undefined;
    return place ? { place, shape } : [];
  });
  const laidOut = parts.length === companions.length ? await directReader()?.(parts, layout) : undefined;
  if (laidOut) {
    parameter.take(laidOut);
    return companions;
  }
  parameter.assign(await source.read(parameter.name));
  return [parameter];
}

function checkTensors(parameters: ReadonlyMap<string, Parameter>, source: TensorSource): void {
  const missing = [...parameters.keys()].filter((name) => !source.tensors.has(name));
  const leftOver = [...source.tensors.keys()].filter((name) => !parameters.has(name));
  const misShaped = [...parameters.values()].flatMap(({ name, shape }) => {
    const stored = source.tensors.get(name)?.shape;
    return stored && !sameShape(stored, shape) ? [`${name} [${stored.join(', ')}] instead of [${shape.join(', ')}]`] : [];
  });
  const problems = [
    missing.length > 0 && `missing: ${listed(missing)}`,
    leftOver.length > 0 && `not in the network: ${listed(leftOver)}`,
    misShaped.length > 0 && `of another shape: ${listed(misShaped)}`,
  ].filter(Boolean);
  if (problems.length > 0) {
    throw new CheckpointError(`${source.name} does not fit its config.\n  ${problems.join('\n  ')}\nGive the config that the weights were saved with.`);
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
