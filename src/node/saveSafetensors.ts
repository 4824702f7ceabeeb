import { safetensorsParts, type TensorToWrite } from '../weights/safetensorsWriter';
import { writeParts } from './fileSink';

/**
 * Writes a safetensors file, one tensor at a time. The file appears under its name when it is complete, replacing any
 * existing file; until then, and if writing fails, an existing file stays.
 *
 * @throws CheckpointError if a name is repeated or cannot be written, or the data does not fit the shape
 */
export async function saveSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  await writeParts(path, safetensorsParts(tensors, metadata));
}
