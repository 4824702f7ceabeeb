import { CheckpointError } from '../errors';
import { type FileTree, namesIn } from '../weights/fileTree';
import { bytesOf } from '../weights/source';

/** A folder picked with `showDirectoryPicker()`, or dropped. */
export function handleTree(root: FileSystemDirectoryHandle): FileTree {
  const folderAt = async (parts: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> => {
    let folder: FileSystemDirectoryHandle | undefined = root;
    for (const part of parts) folder = await orIfMissing(folder?.getDirectoryHandle(part));
    return folder;
  };
  return {
    name: root.name,
    async list(path) {
      const folder = await folderAt(partsOf(path));
      const names: string[] = [];
      if (folder)
        for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    },
    async open(path) {
      const parts = partsOf(path);
      const file = await orIfMissing((await folderAt(parts.slice(0, -1)))?.getFileHandle(parts[parts.length - 1]));
      return file && bytesOf(await file.getFile(), `${root.name}/${path}`);
    },
  };
}

/**
 * The files of a folder, as returned by `<input type="file" webkitdirectory>`.
 *
 * @throws CheckpointError if they are not from a folder
 */
export function filesTree(files: readonly File[]): FileTree {
  const name = files[0]?.webkitRelativePath.split('/')[0];
  if (!name) throw new CheckpointError('No folder was chosen. Choose the folder that contains model_index.json.');
  const byPath = new Map(files.map((file) => [file.webkitRelativePath.slice(name.length + 1), file]));
  return {
    name,
    list: async (folder) => namesIn(folder, [...byPath.keys()]),
    open: async (path) => {
      const file = byPath.get(path);
      return file && bytesOf(file, `${name}/${path}`);
    },
  };
}

/** Stands for the folder of a single picked file, which a page cannot read. */
export const NOTHING_BESIDE: FileTree = { name: '', list: async () => [], open: async () => undefined };

function partsOf(path: string): string[] {
  return path === '' ? [] : path.split('/');
}

async function orIfMissing<T>(result: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (['NotFoundError', 'TypeMismatchError'].includes((error as Error).name)) return undefined;
    throw error;
  }
}
