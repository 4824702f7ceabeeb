import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { type TensorToWrite, safetensorsParts } from '../weights/safetensorsWriter';

/**
 * Writes a safetensors file, one tensor at a time. The file appears under its name when it is whole, in place of one that was
 * there; until then, and if writing fails, what was there stays.
 *
 * @throws CheckpointError if a name stands twice or cannot be written, or the data do not fill the shape
 */
export async function saveSafetensors(path: string, tensors: readonly TensorToWrite[], metadata?: Readonly<Record<string, string>>): Promise<void> {
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const file = await open(unfinished, 'wx');
  try {
    for await (const part of safetensorsParts(tensors, metadata)) await file.writeFile(part);
    await file.close();
    await rename(unfinished, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(unfinished, { force: true });
    throw error;
  }
}
