import { type FileTree, namesIn } from '../../src/weights/fileTree';
import { type TensorToWrite, writeSafetensors } from '../../src/weights/safetensorsWriter';
import { bytesOf } from '../../src/weights/source';

/** A folder in memory: text, JSON or bytes by path. */
export function memoryTree(files: Record<string, string | Uint8Array | object>, name = 'folder'): FileTree {
  return {
    name,
    async list(folder) {
      return namesIn(folder, Object.keys(files));
    },
    async open(path) {
      if (!Object.hasOwn(files, path)) return undefined;
      const file = files[path];
      const bytes =
        file instanceof Uint8Array
          ? file
          : new TextEncoder().encode(typeof file === 'string' ? file : JSON.stringify(file));
      return bytesOf(bytes, `${name}/${path}`);
    },
  };
}

/** A safetensors file of float32 tensors, each with the numbers 0, 1, 2 and so on. */
export function counting(
  shapes: Record<string, readonly number[]>,
  metadata?: Record<string, string>,
): Promise<Uint8Array> {
  const tensors = Object.entries(shapes).map(
    ([name, shape]): TensorToWrite => ({
      name,
      shape,
      data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i),
    }),
  );
  return writeSafetensors(tensors, metadata);
}
