import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ModelManifest } from '../../browser/manifest';
import { neededFiles } from '../../weights/diffusersLayout';

/**
 * The manifest of the files that browsers need from a model's folder in the diffusers layout, for its `manifest.json`.
 * Reads every file once, to hash it.
 *
 * @throws CheckpointError if the folder is not a complete checkpoint
 */
export async function modelManifest(folder: string, name: string): Promise<ModelManifest> {
  const there = (await readdir(folder, { recursive: true })).map((path) => path.replaceAll(sep, '/'));
  const { small, indexes, weights } = neededFiles(there, folder);
  const shards = there.filter((path) =>
    indexes.some(
      (index) => path.startsWith(index.slice(0, index.indexOf('/') + 1)) && /-\d+-of-\d+.*\.safetensors$/.test(path),
    ),
  );
  const files = await Promise.all(
    [...small, ...indexes, ...weights, ...shards].map(async (path) => ({
      path,
      size: (await stat(join(folder, path))).size,
      sha256: await sha256(join(folder, path)),
    })),
  );
  return { name, files };
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
