/** Where a network's tensors come from: a safetensors file, several shards of one, or one seen under other names. */

export type Dtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U64' | 'U32' | 'U16' | 'U8' | 'BOOL';

export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/**
 * Named tensors that are read one at a time, so that loading a network needs the network's memory and one tensor more.
 * Shapes and names are the checkpoint's own (PyTorch's layouts).
 */
export interface TensorSource {
  /** What to call the source in a message: a file's path, or a folder's. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * The tensor's numbers in row-major order, widened or narrowed to float32.
   * @throws if the source has no tensor of that name.
   */
  read(key: string): Promise<Float32Array>;
}
