import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BackendError } from '../../backend/backendInfo';
import { cacheFolder } from '../cacheFolder';
import { has, run } from './run';
import {
  checkTensorFlow,
  NODE_API_HEADERS,
  processorTag,
  readWheelName,
  TENSORFLOW,
  TFJS_NODE,
  type Wheel,
} from './versions';
import { unpackWheel } from './wheel';

/**
 * Builds tfjs-node's addon with our own operations (native/) against a current TensorFlow wheel. The npm package
 * downloads TensorFlow 2.9 when it is installed; its addon uses only Node-API and TensorFlow's C API, so a C++ compiler
 * builds one for TensorFlow 2.21 in less than a minute.
 *
 * In the user's cache folder:
 *
 *     native/                what is used; made beside it and renamed, so that it is whole or absent
 *     manifest.json        versions, as NativeManifest
 *     tfjs-node/           the npm package, with our addon at its place in lib/
 *     tensorflow/          the wheel's two libraries
 *     native-downloads/      wheels, kept until an installation succeeds
 */

export interface NativeManifest {
  readonly tensorflow: string;
  readonly tfjsNode: string;
  readonly kind: Wheel['kind'];
  /** A hash of native/ as compiled, to tell whether the operations are up to date. */
  readonly operations: string;
}

export interface NativeStatus extends NativeManifest {
  readonly folder: string;
}

export interface InstallOptions {
  /** TensorFlow's version, one of those tested. */
  readonly tensorflow?: string;
  /** A wheel file, instead of a download. */
  readonly wheel?: string;
  /** For CUDA: uses TensorFlow's GPU wheel and the CUDA wheels that it depends on. */
  readonly gpu?: boolean;
  /** Called with what is being done. */
  readonly onProgress?: (doing: string) => void;
}

const OPERATIONS = join(__dirname, '../../../native');

/** A hash of the sources in native/. */
export async function operationsSum(): Promise<string> {
  const sum = createHash('sha256');
  const sources = (await readdir(OPERATIONS)).filter((file) => /\.(cc|h)$/.test(file));
  for (const file of sources.sort()) sum.update(await readFile(join(OPERATIONS, file)));
  return sum.digest('hex').slice(0, 12);
}

const nativeFolder = (): string => join(cacheFolder(), 'native');
const downloadsFolder = (): string => join(cacheFolder(), 'native-downloads');

/** What `p2p native install` has built, if anything. */
export async function nativeStatus(): Promise<NativeStatus | undefined> {
  const folder = nativeFolder();
  if (!existsSync(join(folder, 'manifest.json'))) return undefined;
  return { folder, ...(JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as NativeManifest) };
}

/** @returns whether there was something to remove */
export async function removeNative(): Promise<boolean> {
  const there = existsSync(nativeFolder()) || existsSync(downloadsFolder());
  for (const folder of [nativeFolder(), downloadsFolder()]) await rm(folder, { recursive: true, force: true });
  return there;
}

/**
 * Builds the addon and puts it in the cache folder, replacing an earlier one.
 * @throws BackendError listing all that is missing, or saying what failed; an earlier build is then kept
 */
export async function installNative({
  tensorflow = TENSORFLOW[0],
  wheel,
  gpu = false,
  onProgress = () => {},
}: InstallOptions = {}): Promise<NativeStatus> {
  processorTag();
  checkTensorFlow(tensorflow);
  const described = wheel === undefined ? ({ tensorflow, kind: gpu ? 'gpu' : 'cpu' } as const) : checkWheel(wheel);
  await mkdir(cacheFolder(), { recursive: true });
  const compiler = await checkTools({ download: wheel === undefined, gigabytes: described.kind === 'gpu' ? 12 : 2 });

  const wheels = wheel === undefined ? await download(described, onProgress) : [wheel];
  const building = await mkdtemp(join(cacheFolder(), 'native-building-'));
  try {
    onProgress('Unpacking TensorFlow');
    for (const file of wheels) await unpackWheel(file, building, wantedFile);
    onProgress('Fetching tfjs-node');
    const package_ = await unpackNpm(`@tensorflow/tfjs-node@${TFJS_NODE}`, join(building, 'tfjs-node'));
    const headers = await unpackNpm(`node-api-headers@${NODE_API_HEADERS}`, join(building, 'headers'));
    onProgress('Compiling the addon');
    await compile(compiler, building, package_, headers);
    for (const done of [headers, join(building, 'tensorflow', 'include')]) await rm(done, { recursive: true });
    const manifest: NativeManifest = {
      tensorflow: described.tensorflow,
      tfjsNode: TFJS_NODE,
      kind: described.kind,
      operations: await operationsSum(),
    };
    await writeFile(join(building, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await replaceFolder(nativeFolder(), building);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  await rm(downloadsFolder(), { recursive: true, force: true });
  return (await nativeStatus())!;
}

/** What a wheel's file is. @throws BackendError if there is no such file, or as {@link readWheelName} */
export function checkWheel(file: string): Wheel {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile())
    throw new BackendError(`There is no wheel ${file}. Check its name and its folder.`);
  return readWheelName(basename(file));
}

/** @returns the C++ compiler */
async function checkTools({ download, gigabytes }: { download: boolean; gigabytes: number }): Promise<string> {
  const missing: string[] = [];
  const compilers = [process.env.CXX, 'g++', 'clang++'].filter((name) => name !== undefined && name !== '') as string[];
  const found = await Promise.all(compilers.map((name) => has(name)));
  const compiler = compilers[found.indexOf(true)];
  if (!compiler)
    missing.push(
      'a C++ compiler: on Debian and Ubuntu, apt-get install g++ (or name yours in the environment variable CXX)',
    );
  if (!(await has('npm'))) missing.push('npm, which comes with Node');
  if (!(await has('tar'))) missing.push('tar');
  if (download && !(await has('python3', '-m', 'pip', '--version')))
    missing.push(
      "Python with pip, to download TensorFlow: apt-get install python3-pip; or give a wheel's file with --wheel",
    );
  const { bavail, bsize } = await statfs(cacheFolder());
  const free = (bavail * bsize) / 1e9;
  if (free < gigabytes)
    missing.push(`${gigabytes} GB of disk space at ${cacheFolder()}; ${free.toFixed(1)} GB are free`);
  if (missing.length > 0)
    throw new BackendError(
      `The native backend cannot be built without:\n${missing.map((what) => `- ${what}`).join('\n')}`,
    );
  return compiler;
}

/**
 * Lets pip download the wheels that an earlier attempt has not; pip verifies checksums and keeps no incomplete files.
 *
 * @returns the wheels' files
 */
async function download({ tensorflow, kind }: Wheel, onProgress: (doing: string) => void): Promise<string[]> {
  const folder = downloadsFolder();
  await mkdir(folder, { recursive: true });
  onProgress(`Downloading TensorFlow ${tensorflow} (${kind === 'gpu' ? 'with CUDA, some 4 GB' : '0.3 GB'})`);
  // The same wheel whatever the Python version: its libraries are the same for all, and this one is tested.
  const system = [
    '--python-version',
    '3.11',
    '--implementation',
    'cp',
    '--abi',
    'cp311',
    '--platform',
    `manylinux_2_27_${processorTag()}`,
  ];
  const what =
    kind === 'gpu' ? [`tensorflow[and-cuda]==${tensorflow}`] : ['--no-deps', `tensorflow-cpu==${tensorflow}`];
  await run('python3', [
    '-m',
    'pip',
    'download',
    '--disable-pip-version-check',
    '--only-binary=:all:',
    '--dest',
    folder,
    ...system,
    ...what,
  ]);
  return (await readdir(folder))
    .filter((file) => /^(tensorflow|tensorflow_cpu|nvidia_.*)-.*\.whl$/.test(file))
    .map((file) => join(folder, file));
}

/** The files to unpack: TensorFlow's two libraries and, for compiling, its headers; all of CUDA's libraries. */
function wantedFile(name: string): boolean {
  return (
    /^tensorflow\/(libtensorflow_(cc|framework)\.so\.2$|include\/)/.test(name) || /^nvidia\/.*\.so(\.\d+)*$/.test(name)
  );
}

/** Unpacks a package without its dependencies and without running its scripts. */
async function unpackNpm(name: string, folder: string): Promise<string> {
  await mkdir(folder);
  const [{ filename }] = JSON.parse(await run('npm', ['pack', name, '--json', '--pack-destination', folder])) as {
    filename: string;
  }[];
  const archive = filename.replace('@', '').replace('/', '-'); // npm 8 prints the package's name including its scope.
  await run('tar', ['-xzf', archive, '--strip-components=1'], folder);
  await rm(join(folder, archive));
  return folder;
}

/** Compiles like tfjs-node's binding.gyp, with the wheel's libraries for libtensorflow, found relative to the addon. */
async function compile(compiler: string, root: string, package_: string, headers: string): Promise<void> {
  const lib = join(package_, 'lib', 'napi-v8');
  await mkdir(lib, { recursive: true });
  const tensorflow = join(root, 'tensorflow');
  const operations = (await readdir(OPERATIONS))
    .filter((file) => file.endsWith('.cc'))
    .map((file) => join(OPERATIONS, file));
  const withoutHalf = '-U__AVX512FP16__'; // TensorFlow 2.21's Eigen does not compile for processors with it.
  await run(compiler, [
    '-shared',
    '-fPIC',
    '-O3',
    '-march=native',
    withoutHalf,
    '-std=c++17',
    '-DNAPI_VERSION=8',
    '-Wall',
    '-Wno-ignored-attributes', // Eigen uses packets as template arguments.
    '-Wno-uninitialized', // GCC 12's AVX-512 intrinsics.
    '-Wno-maybe-uninitialized',
    '-isystem', // Suppresses warnings in others' headers.
    join(headers, 'include'),
    '-isystem',
    join(tensorflow, 'include'),
    join(package_, 'binding', 'tfjs_backend.cc'),
    join(package_, 'binding', 'tfjs_binding.cc'),
    ...operations,
    `-L${tensorflow}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    '-Wl,-rpath,$ORIGIN/../../../tensorflow',
    '-o',
    join(lib, 'tfjs_binding.node'),
  ]);
  await run(process.execPath, ['--eval', 'require(process.argv[1])', join(lib, 'tfjs_binding.node')]);
}

async function replaceFolder(folder: string, by: string): Promise<void> {
  const old = `${by}-old`;
  if (existsSync(folder)) await rename(folder, old);
  try {
    await rename(by, folder);
  } catch (error) {
    if (existsSync(old)) await rename(old, folder);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}
