/** The size of a section's checksum, a SHA-256. */
export const CHECKSUM_BYTES = 32;

/** The checksum of one section of a file: the header and the noise, or the tensors of one step in order. */
export class Checksum {
  private readonly parts: Uint8Array[] = [];

  async add(bytes: Uint8Array): Promise<void> {
    this.parts.push(await sha256(bytes));
  }

  /** The checksum of all parts added so far. */
  async value(): Promise<Uint8Array> {
    return sha256(joined(this.parts));
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource));
}
