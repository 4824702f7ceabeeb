/** Edits from a recording against the same edits with all rows computed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { compose } from '../../src/attention/compose';
import type { AttentionCall, AttentionController } from '../../src/attention/controller';
import { type AttentionStore, attentionStore } from '../../src/attention/store';
import { type PromptToPromptOptions, promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { selfInjection } from '../../src/edits/prompt-to-prompt/selfInjection';
import { CheckpointError } from '../../src/errors';
import { openCheckpoint } from '../../src/node/checkpoint';
import { fileSink } from '../../src/node/fileSink';
import { fileBytes } from '../../src/node/fileSource';
import type { GenerateOptions } from '../../src/options';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { RecordingError } from '../../src/recording/description';
import type { RecordOptions } from '../../src/recording/recorder';
import { Recording } from '../../src/recording/recording';
import { TorchGenerator } from '../../src/sampler/noise';
import { writeSafetensors } from '../../src/weights/safetensorsWriter';
import { BlobSink } from '../../src/weights/sink';
import { bytesOf } from '../../src/weights/source';
import { useBackend } from '../backend';

const SOURCE = 'a cat riding a bicycle';
const TARGET = 'a cat riding a car';
const OPTIONS: GenerateOptions = { steps: 5, seed: 7 };

useBackend();
let pipe: StableDiffusionPipeline;
let folder: string;
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
  folder = mkdtempSync(join(tmpdir(), 'p2p-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a recorded run leaves, in memory. */
async function record(
  options: GenerateOptions = OPTIONS,
  how: Omit<RecordOptions, 'to'> = {},
  prompts: readonly string[] = [SOURCE],
): Promise<Recording> {
  const to = new BlobSink();
  tf.dispose({ ...(await pipe.generate(prompts, { ...options, record: { to, ...how } })) });
  return Recording.open(bytesOf(to.blob, 'cat.recording'));
}

/** The largest difference of two tensors, against the standard deviation of the second. */
const difference = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(a, b))), tf.sqrt(tf.moments(b).variance)).dataSync()[0]);

/** How far the latents of an edit from each of some recordings are from those of the full run. */
async function compare(
  recordings: readonly Recording[],
  prompts: readonly string[],
  edit: Partial<PromptToPromptOptions> = {},
  options = OPTIONS,
): Promise<number[]> {
  const make = (more: GenerateOptions) =>
    pipe.generate(prompts, {
      ...more,
      controller: promptToPrompt({ tokenizer: pipe.tokenizer, prompts, ...edit }),
      onWarning: () => undefined, // the small checkpoint knows few words, and says so
    });
  const full = await make(options);
  const differences: number[] = [];
  for (const recording of recordings) {
    const again = await make({ recording });
    for (const name of ['images', 'latents', 'context', 'noise'] as const)
      expect(again[name].shape).toEqual(full[name].shape);
    expect(difference(again.noise, full.noise)).toBe(0);
    differences.push(difference(again.latents, full.latents));
    tf.dispose({ ...again });
  }
  tf.dispose({ ...full });
  return differences;
}

/**
 * On wasm attention comes out the same whether a controller looks at it or not; TensorFlow's operations round otherwise
 * than ours that is not looked at.
 */
const expectSame = (largest: number): void => {
  if (tf.getBackend() === 'wasm') expect(largest).toBe(0);
  else expect(largest).toBeLessThan(1e-3);
};

describe("an edit from a recording is the full run's", () => {
  const edits: Record<string, [targets: string[], edit: Partial<PromptToPromptOptions>]> = {
    replace: [[TARGET], {}],
    refine: [['a fluffy cat riding a bicycle at night'], {}],
    're-weighting': [[SOURCE], { weights: { bicycle: -2 } }],
    'local blend': [['a dog riding a bicycle'], { blend: [{ source: 'cat', target: 'dog' }] }],
    'two targets': [
      [TARGET, 'a cat riding a bicycle in a meadow'],
      { cross: [0.1, 0.9], crossWords: { cat: 0.5 }, self: [0.2, 0.4] },
    ],
    'no injection': [['a dog on a beach'], { cross: 0, self: 0 }],
  };
  let packed: Recording;
  let exact: Recording;
  beforeAll(async () => {
    [packed, exact] = [await record(), await record(OPTIONS, { exact: true })];
  });

  test.each(Object.entries(edits))('%s', async (_, [targets, edit]) => {
    const before = tf.memory().numTensors;
    const [ofPacked, ofExact] = await compare([packed, exact], [SOURCE, ...targets], edit);
    expect(ofPacked).toBeLessThan(1e-3);
    expectSame(ofExact);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('where words look, in source and target', async () => {
    const prompts = [SOURCE, TARGET];
    const maps = async (options: GenerateOptions): Promise<tf.Tensor[]> => {
      const store: AttentionStore = attentionStore();
      const edit = promptToPrompt({ tokenizer: pipe.tokenizer, prompts });
      tf.dispose({ ...(await pipe.generate(prompts, { ...options, controller: compose(edit, store) })) });
      const found = [0, 1].map((prompt) => store.maps({ prompt }));
      store.dispose();
      return found;
    };
    const [full, again] = [await maps(OPTIONS), await maps({ recording: exact })];
    full.forEach((map, i) => expectSame(difference(again[i], map)));
    tf.dispose([full, again]);
  });
});

describe('in every setting', () => {
  const settings: Record<string, GenerateOptions> = {
    'without guidance': { guidance: 1 },
    'with a negative prompt': { negative: 'a dog' },
    'of other sides': { height: 48, width: 80 },
    'dpm++': { sampler: 'dpm++' },
    'dpm++ by Karras': { sampler: 'dpm++', karras: true },
    'fresh noise at each step': { eta: 0.7 },
    'a seed beyond 2^53': { seed: 2n ** 60n + 1n },
    'one step': { steps: 1 },
  };
  test.each(Object.entries(settings))('%s', async (_, more) => {
    const options = { ...OPTIONS, ...more };
    const [largest] = await compare([await record(options, { exact: true })], [SOURCE, TARGET], {}, options);
    expectSame(largest);
  });

  test("from noise of one's own", async () => {
    const noise = tf.tensor4d(new TorchGenerator(3).randn([1, 16, 16, 4]), [1, 16, 16, 4]);
    const [largest] = await compare(
      [await record({ ...OPTIONS, noise }, { exact: true })],
      [SOURCE, TARGET],
      {},
      { ...OPTIONS, noise },
    );
    expectSame(largest);
    noise.dispose();
  });

  test('recorded while it was edited', async () => {
    const prompts = [SOURCE, 'a dog riding a bicycle'];
    const controller = promptToPrompt({
      tokenizer: pipe.tokenizer,
      prompts,
      blend: [{ source: 'cat', target: 'dog' }],
    });
    const [largest] = await compare(
      [await record({ ...OPTIONS, controller }, { exact: true }, prompts)],
      [SOURCE, TARGET],
    );
    expectSame(largest);
  });
});

describe("a controller of one's own", () => {
  test('sees the source where it was recorded, and is told by the rows', async () => {
    const recording = await record();
    const calls: AttentionCall[] = [];
    const shapes: number[] = [];
    const spy: AttentionController = {
      wants: ({ step }) => (step === 4 ? ['qkv', 'logits', 'probs', 'output'] : []),
      onProbs: (probs, call) => {
        calls.push(call);
        expect(probs.shape[0]).toBe(call.rows.length);
        return probs;
      },
      onOutput: (output, call) => {
        expect(output.shape[0]).toBe(call.rows.length);
        return output;
      },
      onLatents: (latents) => {
        shapes.push(latents.shape[0]);
        return latents;
      },
    };
    const made = await pipe.generate([SOURCE, TARGET], { recording, controller: spy });
    tf.dispose({ ...made });
    const targets = [
      { prompt: 1, role: 'unconditional' },
      { prompt: 1, role: 'conditional' },
    ];
    expect(calls).toHaveLength(pipe.sites.length);
    for (const { site, rows } of calls)
      expect(rows).toEqual(site.kind === 'cross' ? [...targets, { prompt: 0, role: 'conditional' }] : targets);
    expect(new Set(shapes)).toEqual(new Set([2]));
  });

  test('that changes every row gives what it gives in a full run', async () => {
    const blur: AttentionController = {
      wants: ({ site }) => (site.kind === 'cross' ? ['logits'] : []),
      onLogits: (logits) => tf.mul(logits, 0.5),
    };
    const prompts = [SOURCE, TARGET];
    const controller = () => compose(blur, promptToPrompt({ tokenizer: pipe.tokenizer, prompts }));
    const to = new BlobSink();
    const full = await pipe.generate(prompts, { ...OPTIONS, controller: controller(), record: { to, exact: true } });
    const again = await pipe.generate(prompts, {
      recording: await Recording.open(bytesOf(to.blob)),
      controller: controller(),
    });
    expectSame(difference(again.latents, full.latents));
    tf.dispose([{ ...full }, { ...again }]);
  });
});

describe('what the recording does not have is refused', () => {
  let recording: Recording;
  beforeAll(async () => {
    recording = await record({ ...OPTIONS, negative: 'a dog' });
  });
  const edit = (options: GenerateOptions, prompts = [SOURCE, TARGET]) =>
    pipe.generate(prompts, { recording, ...options });

  test.each<[GenerateOptions, string]>([
    [{ seed: 1 }, 'cat.recording was recorded with seed 7, asked for 1.'],
    [{ steps: 6 }, 'recorded with steps 5, asked for 6'],
    [
      { guidance: 5, sampler: 'dpm++' },
      'recorded with guidance 7.5, asked for 5, recorded with sampler "ddim", asked for "dpm++"',
    ],
    [{ projectAbove: 3 }, 'recorded with projectAbove 100, asked for 3'],
    [{ eta: 0.5 }, 'recorded with eta 0, asked for 0.5'],
    [{ karras: true }, 'recorded with karras as the checkpoint has it, asked for true'],
    [{ negative: '' }, 'recorded with negative "a dog", asked for ""'],
    [{ negative: ['a pig', 'a dog'] }, 'recorded with negative "a dog", asked for "a pig"'],
    [{ height: 80, width: 64 }, 'recorded with height 64, asked for 80.'],
  ])('%j', async (options, message) => {
    await expect(edit(options)).rejects.toThrow(RecordingError);
    await expect(edit(options)).rejects.toThrow(message);
  });

  test('another source, or no target', async () => {
    await expect(edit({}, ['a dog', TARGET])).rejects.toThrow(`recorded with prompt "${SOURCE}", asked for "a dog"`);
    await expect(edit({}, [SOURCE])).rejects.toThrow('needs a target prompt');
  });

  test("noise of one's own, or a new recording", async () => {
    const noise = recording.noise();
    await expect(edit({ noise })).rejects.toThrow('leave out noise');
    noise.dispose();
    await expect(edit({ record: { to: new BlobSink() } })).rejects.toThrow('leave out record');
  });

  test('other weights', async () => {
    const other = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
    const weight = other.unet.parameters.get('mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight')!;
    weight.assign(new Float32Array(weight.shape[0]! * weight.shape[1]!));
    await expect(other.generate([SOURCE, TARGET], { recording })).rejects.toThrow(
      'cat.recording was recorded with another model: it differs from the one loaded in unet.',
    );
    other.dispose();
  });

  test('another schedule, but not another name for it', async () => {
    const json = pipe.scheduler.json as object;
    const like = (change: object) =>
      new StableDiffusionPipeline({ ...pipe, scheduler: { file: 'scheduler.json', json: { ...json, ...change } } });
    await expect(like({ beta_end: 0.02 }).generate([SOURCE, TARGET], { recording })).rejects.toThrow(
      'differs from the one loaded in scheduler.',
    );
    tf.dispose({
      ...(await like({ _class_name: 'PNDMScheduler', skip_prk_steps: true }).generate([SOURCE, TARGET], { recording })),
    });
  });

  test('more self-attention than was kept', async () => {
    const less = await record(OPTIONS, { self: 0.2 });
    await expect(edit({ recording: less, controller: selfInjection({ during: 0.4 }) })).rejects.toThrow(
      /down_blocks\.0.*attn1 has no conditional row of the source prompt: cat\.recording has the source's self-attention up to step 0 and at grids of up to 256 queries; record more of it, or inject less\./,
    );
    const smaller = await record(OPTIONS, { selfSize: 8 });
    await expect(edit({ recording: smaller, controller: selfInjection() })).rejects.toThrow(
      'at grids of up to 64 queries',
    );
    tf.dispose({ ...(await edit({ recording: smaller, controller: selfInjection({ maxSize: 8 }) })) });
    await expect(record(OPTIONS, { self: 2 })).rejects.toThrow('A range of steps is a fraction');
  });
});

describe('a file', () => {
  test('is read as it was written, and holds no more than is asked', async () => {
    const path = join(folder, 'cat.recording');
    tf.dispose({
      ...(await pipe.generate([SOURCE], { ...OPTIONS, record: { to: fileSink(path), self: 0, model: 'toy' } })),
    });
    const recording = await Recording.open(await fileBytes(path));
    expect(recording.settings).toEqual({
      prompt: SOURCE,
      negative: '',
      seed: '7',
      steps: 5,
      guidance: 7.5,
      projectAbove: 100,
      sampler: 'ddim',
      eta: 0,
      karras: null,
      height: 64,
      width: 64,
    });
    expect(recording.description).toMatchObject({
      exact: false,
      model: { name: 'toy' },
      self: { steps: 0, maxQueries: 256 },
    });
    let steps = 0;
    for await (const step of recording.steps()) {
      for (const { path: site, kind } of pipe.sites) expect(step.has(`${site}.q`)).toBe(kind === 'cross');
      steps++;
    }
    expect(steps).toBe(5);
    const [largest] = await compare([recording], [SOURCE, TARGET], { self: 0 });
    expect(largest).toBeLessThan(1e-3);
    expect(readdirSync(folder)).toEqual(['cat.recording']);
    rmSync(path);
  });

  test('is not there if the run is left, stopped or broken, nor is anything else', async () => {
    const before = tf.memory().numTensors;
    const to = () => ({ to: fileSink(join(folder, 'cat.recording')) });
    for await (const { step } of pipe.run([SOURCE], { ...OPTIONS, record: to() })) if (step === 2) break;
    expect(readdirSync(folder)).toEqual([]);

    const stop = new AbortController();
    const onStep = (): void => {
      expect(readdirSync(folder)).toHaveLength(1);
      expect(existsSync(join(folder, 'cat.recording'))).toBe(false);
      stop.abort(new Error('enough'));
    };
    await expect(pipe.generate([SOURCE], { ...OPTIONS, record: to(), signal: stop.signal, onStep })).rejects.toThrow(
      'enough',
    );
    const broken: AttentionController = {
      wants: ({ step }) => (step === 1 ? ['output'] : []),
      onOutput: () => {
        throw new Error('a bug');
      },
    };
    await expect(pipe.generate([SOURCE], { ...OPTIONS, record: to(), controller: broken })).rejects.toThrow('a bug');
    await expect(pipe.generate([SOURCE], { ...OPTIONS, record: to(), steps: 0 })).rejects.toThrow(
      'The number of steps is 0',
    );
    const full = {
      write: () => Promise.reject(new Error('the disk is full')),
      close: () => Promise.resolve(),
      discard: () => Promise.resolve(),
    };
    await expect(pipe.generate([SOURCE], { ...OPTIONS, record: { to: full } })).rejects.toThrow('the disk is full');
    expect(readdirSync(folder)).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('that is replaced stays until the new one is whole', async () => {
    const path = join(folder, 'cat.recording');
    writeFileSync(path, 'old');
    for await (const { step } of pipe.run([SOURCE], { ...OPTIONS, record: { to: fileSink(path) } }))
      if (step === 1) break;
    expect(readFileSync(path, 'utf8')).toBe('old');
    tf.dispose({ ...(await pipe.generate([SOURCE], { ...OPTIONS, record: { to: fileSink(path) } })) });
    await Recording.open(await fileBytes(path));
    rmSync(path);
  });

  test('in memory cannot be read before it is whole', () => {
    expect(() => new BlobSink().blob).toThrow('is incomplete');
  });

  test('that is cut off, another kind of file, or of another version is refused by its name', async () => {
    const to = new BlobSink();
    tf.dispose({ ...(await pipe.generate([SOURCE], { ...OPTIONS, steps: 1, record: { to } })) });
    const whole = new Uint8Array(await to.blob.arrayBuffer());
    for (const length of [0, 7, 500, whole.length - 1]) {
      await expect(Recording.open(bytesOf(whole.subarray(0, length), 'cut.recording'))).rejects.toThrow(
        CheckpointError,
      );
      await expect(Recording.open(bytesOf(whole.subarray(0, length), 'cut.recording'))).rejects.toThrow(
        'cut.recording is not a whole safetensors file',
      );
    }
    const open = async (metadata: Record<string, string>) =>
      Recording.open(
        bytesOf(await writeSafetensors([{ name: 'x', shape: [1], data: Float32Array.of(1) }], metadata), 'other'),
      );
    await expect(open({ format: 'pt' })).rejects.toThrow('other is a safetensors file, but not a recording of a run');
    for (const text of ['', '{', '[]', 'null', '{"version":1}']) {
      await expect(open({ 'prompt-to-prompt-recording': text })).rejects.toThrow(RecordingError);
      await expect(open({ 'prompt-to-prompt-recording': text })).rejects.toThrow(
        'other is a recording that this version cannot read',
      );
    }
  });

  describe('that was changed since it was written is refused by its name', () => {
    let whole: Uint8Array;
    beforeAll(async () => {
      const to = new BlobSink();
      const options = { ...OPTIONS, steps: 2, controller: undefined };
      tf.dispose({ ...(await pipe.generate([SOURCE], { ...options, record: { to } })) });
      whole = new Uint8Array(await to.blob.arrayBuffer());
    });
    /** Opens a copy and reads all of it. */
    const readAll = async (change: (bytes: Uint8Array) => void): Promise<void> => {
      const copy = whole.slice();
      change(copy);
      const recording = await Recording.open(bytesOf(copy, 'changed.recording'));
      for await (const _ of recording.steps());
    };
    const replaced = (from: string, to: string) => (bytes: Uint8Array) => {
      const text = new TextDecoder('latin1').decode(bytes);
      expect(text).toContain(from);
      bytes.set(new TextEncoder().encode(to), text.indexOf(from));
    };

    test('unchanged it is read', () => expect(readAll(() => {})).resolves.toBeUndefined());

    test.each([
      ['an edited prompt', 'a cat riding', 'a dog riding'],
      ['another seed', '\\"seed\\":\\"7\\"', '\\"seed\\":\\"8\\"'],
      ['numbers of another kind', '"dtype":"I16"', '"dtype":"F16"'],
      ['numbers of a third kind', '"dtype":"I16"', '"dtype":"U16"'],
    ])('%s', async (_, from, to) => {
      await expect(readAll(replaced(from, to))).rejects.toThrow(RecordingError);
      await expect(readAll(replaced(from, to))).rejects.toThrow(
        'changed.recording is damaged: its header or its noise has changed since',
      );
    });

    test('one bit, wherever it is', async () => {
      const header = 8 + Number(new DataView(whole.buffer).getBigUint64(0, true));
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: header, max: whole.length - 1 }), fc.nat(7), async (at, bit) => {
          const flipped = readAll((bytes) => {
            bytes[at] ^= 1 << bit;
          });
          await expect(flipped).rejects.toThrow(
            /changed\.recording is damaged: (?:its header or its noise|step \d) has/,
          );
        }),
        { numRuns: 40 },
      );
    });
  });
});
