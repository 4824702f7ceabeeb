/** The reader accepts and refuses the same files as the reference implementation (the Python package `safetensors`). */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { CheckpointError } from '../../src/errors';
import { bitsOf, DTYPES, type Dtype } from '../../src/weights/dtype';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { bytesOf } from '../../src/weights/source';
import { onlyWhere } from '../onlyWhere';

const FIXTURES = join(__dirname, '../fixtures/weights');
/** How many mutated files to try; more on demand: `FUZZ_RUNS=100000 npx jest test/weights/safetensorsReference`. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2000);

/**
 * Whether our reader takes the file; any failure but a CheckpointError is a defect, and so is a tensor outside the
 * file.
 */
async function accepts(file: Uint8Array): Promise<boolean> {
  try {
    const { tensors, readBytes } = await SafetensorsFile.open(bytesOf(file)).then((opened) => ({
      tensors: opened.tensors,
      readBytes: opened.readBytes.bind(opened),
    }));
    for (const [name, { begin, end }] of tensors) expect(await readBytes(name)).toHaveLength(end - begin);
    return true;
  } catch (error) {
    if (error instanceof CheckpointError) return false;
    throw error;
  }
}

function describeFile(file: Uint8Array): string {
  return `${file.length} bytes: ${Buffer.from(file.subarray(0, 400)).toString('latin1')}`;
}

test('6,000 verdicts of the reference, recorded, are ours', async () => {
  const records = gunzipSync(readFileSync(join(FIXTURES, 'safetensors_corpus.bin.gz')));
  const disagreements: string[] = [];
  const counts = { accepted: 0, refused: 0 };
  for (let at = 0; at < records.length; ) {
    const length = records.readUInt32LE(at);
    const verdict = records[at + 4] === 1;
    const file = records.subarray(at + 5, at + 5 + length);
    if ((await accepts(file)) !== verdict)
      disagreements.push(`${verdict ? 'accepted' : 'refused'} by the reference: ${describeFile(file)}`);
    counts[verdict ? 'accepted' : 'refused']++;
    at += 5 + length;
  }
  expect(disagreements).toEqual([]);
  expect(counts.accepted).toBeGreaterThan(1000);
  expect(counts.refused).toBeGreaterThan(1000);
});

// ---------------------------------------------------------------- mutations made here

const name = fc.constantFrom('a', 'b', 'c.weight', '__metadata__', 'é', '\\ud83d\\ude00', '\\ud800', '');
const number = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 12 }).map(String) },
  fc.constantFrom(
    '-1',
    '-0',
    '1.0',
    '2e0',
    '01',
    '18446744073709551615',
    '18446744073709551616',
    '4611686018427387904',
    '1e999',
    '0e999',
    'null',
    '"1"',
    '[]',
  ),
);
const junk = fc.oneof(
  number,
  fc.constantFrom(
    '{}',
    '"x"',
    'true',
    '{"a":{"a":[]}}',
    '{"F32":null}',
    '{"x":"y"}',
    '{"x":"y","x":"z"}',
    '["U8",[1],[0,1]]',
  ),
  fc.json({ maxDepth: 2 }),
);

/** A tensor's entry; its place follows from the tensors before, unless it is bent. */
interface Draft {
  name: string;
  dtype: Dtype;
  shape: number[];
  bend?: { field: string; value: string };
}
const draft: fc.Arbitrary<Draft> = fc.record(
  {
    name,
    dtype: fc.constantFrom(...DTYPES),
    shape: fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
    bend: fc.option(
      fc.record({
        field: fc.constantFrom('dtype', 'shape', 'data_offsets', 'more', 'twice', 'row', 'gone'),
        value: junk,
      }),
      { nil: undefined, freq: 4 },
    ),
  },
  { requiredKeys: ['name', 'dtype', 'shape'] },
);

function write(drafts: Draft[]): { header: string; size: number } {
  let position = 0;
  const entries = drafts.map(({ name, dtype, shape, bend }) => {
    const end = position + Math.floor(shape.reduce((product, size) => product * size, bitsOf(dtype)) / 8);
    const fields: Record<string, string> = {
      dtype: `"${dtype}"`,
      shape: JSON.stringify(shape),
      data_offsets: `[${position},${end}]`,
    };
    position = end;
    if (bend?.field === 'row') return `"${name}":[${Object.values(fields).join()}]`;
    if (bend?.field === 'gone') delete fields.shape;
    else if (bend && bend.field !== 'twice') fields[bend.field] = bend.value;
    const text = Object.entries(fields).map(([field, value]) => `"${field}":${value}`);
    if (bend?.field === 'twice') text.push(text[0]);
    return `"${name}":{${text.join(', ')}}`;
  });
  return { header: `{${entries.join(',')}}`, size: position };
}

interface Edit {
  at: number;
  remove: number;
  insert: Uint8Array;
}
const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(),
  remove: fc.integer({ min: 0, max: 4 }),
  insert: fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc
      .constantFrom('"', '{', '}', ',', ':', ' ', '\\', '0', '[1]', '\u00e9')
      .map((text) => new TextEncoder().encode(text)),
  ),
});

function mutate(bytes: Uint8Array, { at, remove, insert }: Edit): Uint8Array {
  const start = at % (bytes.length + 1);
  return Uint8Array.from([...bytes.subarray(0, start), ...insert, ...bytes.subarray(start + remove)]);
}

const file = fc
  .record({
    drafts: fc.array(draft, { maxLength: 3 }),
    edits: fc.array(edit, { maxLength: 2 }),
    lengthError: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0n) },
      fc.constantFrom(1n, -1n, 8n, 1n << 40n, 1n << 63n),
    ),
    dataError: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.constantFrom(-1, 1, 9)),
  })
  .map(({ drafts, edits, lengthError, dataError }) => {
    const { header, size } = write(drafts);
    const bytes = edits.reduce(mutate, new TextEncoder().encode(header));
    const out = new Uint8Array(8 + bytes.length + Math.max(0, size + dataError));
    new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(bytes.length) + lengthError), true);
    out.set(bytes, 8);
    return out;
  });

test(`${RUNS} mutated files are read whole or refused with a CheckpointError`, async () => {
  await fc.assert(
    fc.asyncProperty(file, async (bytes) => {
      await accepts(bytes);
    }),
    { numRuns: RUNS },
  );
}, 600_000);

const hasReference = spawnSync('python3', ['-c', 'import safetensors']).status === 0;

onlyWhere(hasReference, 'python3 has no safetensors package here')(
  `${RUNS} mutated files: the reference, asked now, decides as we do`,
  async () => {
    const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
    const files = fc.sample(file, { numRuns: RUNS, seed });
    const verdicts = referenceVerdicts(files);
    for (const [i, bytes] of files.entries()) {
      const agreed = (await accepts(bytes)) === verdicts[i];
      if (!agreed)
        throw new Error(
          `FUZZ_SEED=${seed}: ${verdicts[i] ? 'accepted' : 'refused'} by the reference, not by us: ${describeFile(bytes)}`,
        );
    }
    expect(verdicts.filter(Boolean).length).toBeGreaterThan(RUNS / 20);
  },
  600_000,
);

function referenceVerdicts(files: Uint8Array[]): boolean[] {
  const input = Buffer.concat(
    files.flatMap((bytes) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
  const { stdout, stderr, status } = spawnSync('python3', [join(FIXTURES, 'safetensors_verdicts.py')], {
    input,
    maxBuffer: 1 << 30,
  });
  if (status !== 0 || stdout.length !== files.length) throw new Error(`the reference did not answer: ${stderr}`);
  return [...stdout].map((verdict) => verdict === 1);
}
