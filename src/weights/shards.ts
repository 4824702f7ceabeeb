import { z } from 'zod';
import { CheckpointError, listed } from './error';
import { type FileTree, nameIn, readJson, safePath } from './fileTree';
import { SafetensorsFile } from './safetensors';
import type { TensorInfo, TensorSource } from './source';

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * A network that is spread over several safetensors files, by its `*.safetensors.index.json`.
 *
 * @param index the index's path in the tree; the shards lie beside it
 * @throws CheckpointError if the index and the shards do not state the same tensors, or the index leads outside its folder
 */
export async function openShards(tree: FileTree, index: string): Promise<TensorSource> {
  const name = nameIn(tree, index);
  const { success, data } = indexSchema.safeParse(await readJson(tree, index));
  if (!success) throw new CheckpointError(`${name} is not an index of shards: it has no weight_map from tensors to files. Get the file again.`);
  const folder = index.includes('/') ? index.slice(0, index.lastIndexOf('/') + 1) : '';
  const shards = new Map<string, SafetensorsFile>();
  for (const file of new Set(Object.values(data.weight_map))) {
    const bytes = await tree.open(folder + safePath(file, name));
    if (!bytes) throw new CheckpointError(`${name} names the shard ${file}, which is not there. Get the missing file.`);
    shards.set(file, await SafetensorsFile.open(bytes));
  }
  const owners = new Map<string, SafetensorsFile>();
  for (const [key, file] of Object.entries(data.weight_map)) owners.set(key, shards.get(file) as SafetensorsFile);
  checkShards(name, owners, shards);
  return join(name, [...shards.values()]);
}

function checkShards(index: string, owners: ReadonlyMap<string, SafetensorsFile>, shards: ReadonlyMap<string, SafetensorsFile>): void {
  const absent = [...owners].filter(([key, shard]) => !shard.tensors.has(key)).map(([key]) => key);
  const unlisted = [...shards.values()].flatMap((shard) => [...shard.tensors.keys()].filter((key) => owners.get(key) !== shard));
  const problems = [
    absent.length > 0 && `not in the shard it names: ${listed(absent)}`,
    unlisted.length > 0 && `in a shard for which it does not name them: ${listed(unlisted)}`,
  ].filter(Boolean);
  if (problems.length > 0) throw new CheckpointError(`${index} does not fit its shards.\n  ${problems.join('\n  ')}\nGet all files of one revision.`);
}

function join(name: string, shards: readonly SafetensorsFile[]): TensorSource {
  const owner = new Map(shards.flatMap((shard) => [...shard.tensors.keys()].map((key) => [key, shard] as const)));
  const tensors = new Map<string, TensorInfo>(shards.flatMap((shard) => [...shard.tensors]));
  return {
    name,
    tensors,
    async read(key) {
      const shard = owner.get(key);
      if (!shard) throw new CheckpointError(`${name} has no tensor ${key}.`);
      return shard.read(key);
    },
  };
}
