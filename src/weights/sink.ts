/** A destination for a file's bytes, written in order: on disk or in memory. Nothing can be read before `close`. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
  /** The file is complete. */
  close(): Promise<void>;
  /** The file will not be completed: delete what was written. Does nothing after `close`. */
  discard(): Promise<void>;
}

/** A file in memory. Read it with `bytesOf(sink.blob)`, or offer it as a download. */
export class BlobSink implements ByteSink {
  private parts: Uint8Array<ArrayBuffer>[] = [];
  private whole?: Blob;

  async write(bytes: Uint8Array): Promise<void> {
    this.parts.push(bytes.slice());
  }

  async close(): Promise<void> {
    this.whole = new Blob(this.parts);
    this.parts = [];
  }

  async discard(): Promise<void> {
    this.parts = [];
  }

  /** @throws Error if the file is not complete */
  get blob(): Blob {
    if (!this.whole) throw new Error('The file is incomplete: the run that writes it has not finished.');
    return this.whole;
  }
}
