/** Bytes of a section's checksum: SHA-256. */
export const CHECKSUM_BYTES = 32;

/** The checksum of a section of a file: of the header and the noise, or of one step's tensors, one after the other. */
export class Checksum {
  private readonly parts: Uint8Array[] = [];

  async add(bytes: Uint8Array): Promise<void> {
    this.parts.push(await sha256(bytes));
  }

  /** Of all that was added, part by part. */
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
