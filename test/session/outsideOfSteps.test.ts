/** Controllers at the attention of the text encoder and of the VAE. */
import * as tf from '@tensorflow/tfjs';
import { compose } from '../../src/attention/compose';
import type { AttentionCall, AttentionController } from '../../src/attention/controller';
import { select } from '../../src/attention/select';
import { openCheckpoint } from '../../src/node/checkpoint';
import type { GenerateOptions } from '../../src/options';
import { StableDiffusionPipeline } from '../../src/pipeline';
import { useBackend } from '../backend';

const PROMPTS = ['a cat riding a bicycle', 'a cat riding a car'];
let pipe: StableDiffusionPipeline;
let tensors: number;

useBackend();
beforeAll(async () => {
  pipe = await StableDiffusionPipeline.load(await openCheckpoint('test/fixtures/checkpoint'));
});
beforeEach(() => {
  tensors = tf.memory().numTensors;
});
afterEach(() => expect(tf.memory().numTensors).toBe(tensors));

/** What notes the calls at which it is asked, and what happened around them. */
function noting(kinds?: AttentionController['kinds']) {
  const calls: AttentionCall[] = [];
  const events: string[] = [];
  const controller: AttentionController = {
    ...(kinds && { kinds }),
    wants: () => ['probs'],
    onProbs(probs, call) {
      calls.push(call);
      events.push(call.site.kind);
      return probs;
    },
    begin: () => events.push('begin'),
    end: () => events.push('end'),
  };
  return { calls, controller, order: () => events.filter((event, i) => event !== events[i - 1]) };
}

async function generate(options: GenerateOptions, prompts = PROMPTS): Promise<void> {
  const made = await pipe.generate(prompts, { steps: 2, ...options });
  tf.dispose([made.images, made.latents, made.noise, made.context]);
}

test('a controller that names no kinds is asked at the layers of the UNet alone', async () => {
  const { calls, controller } = noting();
  await generate({ controller });
  pipe.encode(PROMPTS, { controller }).dispose();
  expect(new Set(calls.map(({ site }) => site.kind))).toEqual(new Set(['self', 'cross']));
});

test('within a run, the text encoder is asked before the steps and the VAE after them', async () => {
  const { controller, order } = noting(['text', 'vae', 'cross']);
  await generate({ controller });
  expect(order()).toEqual(['begin', 'text', 'cross', 'vae', 'end']);
});

test('rows say which text and which picture it is', async () => {
  const { calls, controller } = noting(['text', 'vae']);
  await generate({ controller, guidance: 7.5 });
  const ofKind = (kind: string) => calls.filter(({ site }) => site.kind === kind);
  for (const { rows } of ofKind('text')) {
    expect(rows).toEqual([
      { prompt: 0, role: 'unconditional' }, // the empty prompt, which both unconditional rows read
      { prompt: 0, role: 'conditional' },
      { prompt: 1, role: 'conditional' },
    ]);
  }
  expect(ofKind('vae').map(({ rows, grid }) => ({ rows, grid }))).toEqual(
    [0, 1].map((prompt) => ({ rows: [{ prompt, role: 'conditional' }], grid: { height: 16, width: 16 } })),
  );
  expect(new Set(ofKind('text').map(({ site }) => site.path))).toEqual(
    new Set(pipe.textEncoder.sites.map(({ path }) => path)),
  );
});

test('sites are named by their checkpoint paths', () => {
  expect(pipe.textEncoder.sites[0]).toMatchObject({ path: 'text_model.encoder.layers.0.self_attn', kind: 'text' });
  expect(pipe.vae.sites.map(({ path, place }) => ({ path, place }))).toEqual([
    { path: 'encoder.mid_block.attentions.0', place: 'encoder' },
    { path: 'decoder.mid_block.attentions.0', place: 'decoder' },
  ]);
});

test('of controllers composed, each is asked where it wants to be', async () => {
  const [text, unet] = [noting(['text']), noting()];
  await generate({ controller: compose(unet.controller, select({ path: /layers\.0/ }, text.controller)) });
  expect(new Set(text.calls.map(({ site }) => site.path))).toEqual(new Set(['text_model.encoder.layers.0.self_attn']));
  expect(unet.calls.some(({ site }) => site.kind === 'text')).toBe(false);
});

test('keys that a hook adds are open to every token', () => {
  const open: number[] = [];
  const controller: AttentionController = {
    kinds: ['text'],
    wants: () => ['qkv', 'probs'],
    onQkv: ({ q, k, v }) => ({ q, k: tf.concat([k, k], 2), v: tf.concat([v, v], 2) }),
    onProbs(probs) {
      const ofFirstToken = tf.slice(probs, [0, 0, 0, 0], [1, 1, 1, -1]).dataSync();
      open.push(ofFirstToken.filter((p) => p > 0).length);
      return probs;
    },
  };
  pipe.encode(PROMPTS, { controller }).dispose();
  expect(open).toEqual(pipe.textEncoder.sites.map(() => 1 + pipe.tokenizer.maxLength));
});
