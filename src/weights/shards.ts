import { z } from 'zod';
import { CheckpointError, listed } from '../errors';
import { type FileTree, nameIn, readJson, safePath } from './fileTree';
import { SafetensorsFile } from './safetensors';
import { entryOf, type TensorInfo, type TensorSource } from './source';

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * For each tensor's name, the path of its shard, as stated in an index.
 *
 * @param index the index's path in the tree; the shards are beside it
 * @throws CheckpointError if it is not an index, or a path leads outside its folder
 */
export async function shardsOf(tree: FileTree, index: string): Promise<Map<string, string>> {
  const name = nameIn(tree, index);
  const { success, data } = indexSchema.safeParse(await readJson(tree, index));
  if (!success)
    throw new CheckpointError(
      `${name} is not an index of shards: it has no weight_map from tensors to files. Get the file again.`,
    );
  const folder = index.slice(0, index.lastIndexOf('/') + 1);
  return new Map(Object.entries(data.weight_map).map(([key, file]) => [key, folder + safePath(file, name)]));
}

/**
 * Opens a network spread over several safetensors files, by its `*.safetensors.index.json`.
 *
 * @param index the index's path in the tree
 * @throws CheckpointError if the index and the shards disagree on the tensors, or as `shardsOf`
 */
export async function openShards(tree: FileTree, index: string): Promise<TensorSource> {
  const name = nameIn(tree, index);
  const paths = await shardsOf(tree, index);
  const shards = new Map<string, SafetensorsFile>();
  for (const path of new Set(paths.values())) {
    const bytes = await tree.open(path);
    if (!bytes) throw new CheckpointError(`${name} names the shard ${path}, which is missing. Get the file.`);
    shards.set(path, await SafetensorsFile.open(bytes));
  }
  checkShards(name, new Map([...paths].map(([key, path]) => [key, shards.get(path) as SafetensorsFile])), [
    ...shards.values(),
  ]);
  return join(name, [...shards.values()]);
}

function checkShards(
  index: string,
  owners: ReadonlyMap<string, SafetensorsFile>,
  shards: readonly SafetensorsFile[],
): void {
  const absent = [...owners].filter(([key, shard]) => !shard.tensors.has(key)).map(([key]) => key);
  const unlisted = shards.flatMap((shard) => [...shard.tensors.keys()].filter((key) => owners.get(key) !== shard));
  const problems = [
    absent.length > 0 && `not in the shard it names: ${listed(absent)}`,
    unlisted.length > 0 && `in a shard for which it does not name them: ${listed(unlisted)}`,
  ].filter(Boolean);
  if (problems.length > 0)
    throw new CheckpointError(
      `${index} does not fit its shards.\n  ${problems.join('\n  ')}\nGet all files of one revision.`,
    );
}

function join(name: string, shards: readonly SafetensorsFile[]): TensorSource {
  const owner = new Map(shards.flatMap((shard) => [...shard.tensors.keys()].map((key) => [key, shard] as const)));
  const tensors = new Map<string, TensorInfo>(shards.flatMap((shard) => [...shard.tensors]));
  const shardOf = (key: string): SafetensorsFile => entryOf(owner, key, name);
  return { name, tensors, read: async (key) => shardOf(key).read(key), place: (key) => shardOf(key).place(key) };
}
