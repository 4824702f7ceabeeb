import { BackendError } from '../../backend/backendInfo';

/**
 * The versions that were built together and tested; anything else is refused, because a wrong pair crashes or computes
 * garbage.
 */
export const TFJS_NODE = '4.22.0';
export const NODE_API_HEADERS = '1.9.0';
export const TENSORFLOW = ['2.21.0'];

export interface Wheel {
  readonly tensorflow: string;
  /** `cpu` for the wheel tensorflow_cpu, `gpu` for tensorflow, which finds CUDA at run time. */
  readonly kind: 'cpu' | 'gpu';
}

/** The processor in a wheel's platform tag, by Node's name for it. */
const PROCESSORS: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

export function processorTag(): string {
  const tag = PROCESSORS[process.arch];
  if (process.platform !== 'linux' || !tag) {
    throw new BackendError(
      `p2p native install works on Linux (x64, arm64); this is ${process.platform} ${process.arch}. Here, npm install @tensorflow/tfjs-node may work, and the backend wasm does.`,
    );
  }
  return tag;
}

/** @throws BackendError if this version is not tested */
export function checkTensorFlow(version: string): void {
  if (!TENSORFLOW.includes(version)) {
    throw new BackendError(
      `TensorFlow ${version} is not tested with tfjs-node ${TFJS_NODE}, whose addon calls TensorFlow's internals; choose ${TENSORFLOW.join(' or ')}.`,
    );
  }
}

/**
 * Reads a wheel's file name: `tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl`.
 * @throws BackendError if it is not a TensorFlow wheel, or its version is not tested, or it is for another system
 */
export function readWheelName(file: string): Wheel {
  const match = /^(tensorflow|tensorflow_cpu)-([^-]+)-[^-]+-[^-]+-manylinux_(\d+)_(\d+)_(\w+?)(?:\.\w+)?\.whl$/.exec(
    file,
  );
  if (!match)
    throw new BackendError(
      `${file} is not the name of a TensorFlow wheel for Linux, such as tensorflow_cpu-${TENSORFLOW[0]}-cp311-cp311-manylinux_2_27_x86_64.whl.`,
    );
  const [, name, tensorflow, glibcMajor, glibcMinor, processor] = match;
  checkTensorFlow(tensorflow);
  if (processor !== processorTag())
    throw new BackendError(`${file} is for ${processor}, but this machine is ${processorTag()}.`);
  const { glibcVersionRuntime: glibc } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } })
    .header;
  const [major, minor] = (glibc ?? '0.0').split('.').map(Number);
  if (major < Number(glibcMajor) || (major === Number(glibcMajor) && minor < Number(glibcMinor))) {
    throw new BackendError(
      `${file} needs glibc ${glibcMajor}.${glibcMinor} or newer; this system has ${glibc ?? 'another C library'}.`,
    );
  }
  return { tensorflow, kind: name === 'tensorflow' ? 'gpu' : 'cpu' };
}
