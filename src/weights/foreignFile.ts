/** The first bytes of other kinds of files that are found in place of a checkpoint's. */
const MAGIC: readonly [readonly number[], string][] = [
  [[0x50, 0x4b, 3, 4], "a zip file, as PyTorch's pickles (.ckpt, .bin, .pt) are"],
  [[0x80, 2], "a pickle, PyTorch's own format"],
  [[0x80, 3], "a pickle, PyTorch's own format"],
  [[0x80, 4], "a pickle, PyTorch's own format"],
  [[0x80, 5], "a pickle, PyTorch's own format"],
  [[0x47, 0x47, 0x55, 0x46], 'a GGUF file'],
  [[0x89, 0x48, 0x44, 0x46], 'an HDF5 file'],
  [[0x1f, 0x8b], 'a gzip file'],
  [[0x37, 0x7a, 0xbc, 0xaf], 'a 7z file'],
];

/** How many of a file's first bytes {@link foreignKind} needs. */
export const FOREIGN_BYTES = 512;

/**
 * Recognises, by its first bytes, a file that is not what its name says: a git-lfs pointer, a web page, a pickle.
 *
 * @returns what it is and what to do; undefined if it is not recognised
 */
export function foreignKind(bytes: Uint8Array): string | undefined {
  const magic = MAGIC.find(([start]) => start.every((byte, i) => bytes[i] === byte));
  if (magic) return `it is ${magic[1]}. Rename it to what it is, and take the safetensors file instead`;
  const text = new TextDecoder('latin1')
    .decode(bytes)
    .replace(/^\u00ef\u00bb\u00bf/, '')
    .trimStart();
  if (text.startsWith('version https://git-lfs'))
    return 'it is a pointer of git-lfs, which stands for the file. Get the file itself: git lfs pull, or download it anew';
  if (/^<(?:!doctype|html|head|\?xml|!--)/i.test(text))
    return 'it is a web page, which a server sent instead of the file. Look at it in a browser, and download the file anew';
  return undefined;
}

/** The beginning of a text file, to be shown; undefined if the bytes are not text. */
export function textStart(bytes: Uint8Array): string | undefined {
  const line = new TextDecoder().decode(bytes).trimStart().slice(0, 40);
  return line !== '' && /^[\x20-\x7e\n\r\t]*$/.test(line) ? JSON.stringify(line) : undefined;
}
