import { safetensorsParts, type TensorToWrite } from '../weights/safetensorsWriter';
import { fileSink } from './fileSink';

/**
 * Writes a safetensors file, one tensor at a time. The file appears under its name when it is whole, in place of one
 * that was there; until then, and if writing fails, what was there stays.
 *
 * @throws CheckpointError if a name stands twice or cannot be written, or the data do not fill the shape
 */
export async function saveSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  const file = fileSink(path);
  try {
    for await (const part of safetensorsParts(tensors, metadata)) await file.write(part);
    await file.close();
  } finally {
    await file.discard();
  }
}
