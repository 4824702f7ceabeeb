import { CheckpointError } from '../errors';
import type { Network } from '../model/network';
import { loadParameters } from '../weights/load';
import type { TensorSource } from '../weights/source';

/**
 * Fills a network from a checkpoint that may hold more than it needs, such as unused heads.
 *
 * @returns the network
 * @throws CheckpointError if the source lacks a tensor, or has it in another shape
 */
export async function readMetricNetwork<T extends Network>(network: T, source: TensorSource): Promise<T> {
  const known = [...source.tensors].filter(([name]) => network.parameters.has(name));
  if (known.length === 0)
    throw new CheckpointError(
      `${source.name} has none of the tensors that are needed, such as ${[...network.parameters.keys()][0]}.`,
    );
  await loadParameters(network.parameters, {
    name: source.name,
    tensors: new Map(known),
    read: (key) => source.read(key),
    place: (key) => source.place?.(key),
  });
  return network;
}
