/** Cells of a grid, row by row. */
type Cells = readonly (0 | 1)[];

/** A mask as a text for an address: eight cells per byte, in URL-safe base64. */
export function maskText(mask: Cells): string {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((cell, i) => {
    bytes[i >> 3] |= cell << (i & 7);
  });
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

/** @returns undefined if the text is not that of a mask of so many cells */
export function maskOf(text: string, cells: number): Cells | undefined {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
    if (bytes.length !== Math.ceil(cells / 8)) return undefined;
    return Array.from({ length: cells }, (_, i) => ((bytes[i >> 3] >> (i & 7)) & 1) as 0 | 1);
  } catch {
    return undefined;
  }
}
