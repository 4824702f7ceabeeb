import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import type { ByteSink } from '../weights/sink';
import { unwritten } from './fileErrors';

/**
 * A file written in parts. It appears under its name when it is complete, replacing any existing file; until then it
 * has a temporary name beside it, and it is removed if it is discarded or the process exits.
 */
export function fileSink(path: string): ByteSink {
  const unfinished = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const remove = (): void => rmSync(unfinished, { force: true });
  let opened: Promise<FileHandle> | undefined;
  const file = (): Promise<FileHandle> => {
    if (!opened) process.once('exit', remove);
    return (opened ??= open(unfinished, 'wx').catch(unwritten(path)));
  };

  return {
    write: async (bytes) => (await file()).writeFile(bytes).catch(unwritten(path)),
    async close() {
      await (await file()).close();
      await rename(unfinished, path).catch(unwritten(path));
      process.off('exit', remove);
    },
    async discard() {
      process.off('exit', remove);
      await opened?.then((file) => file.close()).catch(() => undefined);
      remove();
    },
  };
}

/** Writes a whole file, in parts; if that fails, an existing file stays. @throws Error that names it and says why */
export async function writeParts(path: string, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const file = fileSink(path);
  try {
    for await (const part of parts) await file.write(part);
    await file.close();
  } finally {
    await file.discard();
  }
}
