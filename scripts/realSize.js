// The half of compare_real_size.py that runs this project: node scripts/realSize.js CHECKPOINT BACKEND [INPUTS
// OUTPUTS]. It loads the checkpoint; with the last two arguments it then runs the computations whose names it reads,
// one per line, and saves the last result of each.
const { createInterface } = require('node:readline');
const tf = require('@tensorflow/tfjs');
const {
  FixedContext,
  SafetensorsFile,
  StableDiffusionPipeline,
  attentionStore,
  compose,
  crossInjection,
  selfInjection,
} = require('../dist');
const { chooseBackend, fileBytes, openCheckpoint, saveSafetensors } = require('../dist/node');

const [checkpoint, backend, inputs, outputs] = process.argv.slice(2);
/** @param start when the work began, in ms */
const tell = (work, start) =>
  console.log(
    JSON.stringify({ work, seconds: (performance.now() - start) / 1000, peak: process.resourceUsage().maxRSS / 1e6 }),
  );

async function main() {
  await chooseBackend(backend);
  const start = performance.now();
  const pipeline = await StableDiffusionPipeline.load(await openCheckpoint(checkpoint));
  tell('load', start);

  if (inputs === undefined) return;

  const file = await SafetensorsFile.open(await fileBytes(inputs));
  const read = async (name) => tf.tensor(await file.read(name), [...file.tensors.get(name).shape]);
  const [ids, latents, prompts] = await Promise.all(['ids', 'latents', 'context'].map(read));
  const [, height, width] = latents.shape;
  const tokens = prompts.shape[1];
  const rows = ['unconditional', 'conditional'].flatMap((role) => [0, 1].map((prompt) => ({ prompt, role })));
  const evaluation = { step: 0, steps: 50, timestep: 981, latents: { height, width }, rows };
  const own = (i) => Number(i % (tokens + 1) === 0);
  const alignment = {
    length: tokens,
    matrix: new Float32Array(tokens * tokens).map((_, i) => own(i)),
    aligned: new Float32Array(tokens).fill(1),
  };
  const target = { text: '', ids: Array(tokens).fill(0), length: tokens, pieces: [], lost: '' };
  const store = attentionStore();
  const controller = compose(crossInjection({ targets: [target], alignments: [alignment] }), selfInjection(), store);
  const context = new FixedContext(prompts.clone(), [0, 1, 2, 3]);

  const computations = {
    'text encoder': () => pipeline.textEncoder.forward(ids.arraySync()),
    'UNet step': () => pipeline.unet.forward(latents, 981, context),
    'edit step': () => pipeline.unet.forward(latents, 981, context, { controller, evaluation }),
    'VAE decode': () => tf.tidy(() => pipeline.vae.decode(tf.slice(latents, 0, 1))),
  };
  const kept = new Map();
  for await (const work of createInterface({ input: process.stdin })) {
    const start = performance.now();
    const y = computations[work]();
    kept.set(work, { name: work, shape: y.shape, data: await y.data() });
    tell(work, start);
    y.dispose();
  }
  await saveSafetensors(outputs, [...kept.values()]);
}

main().then(() => process.exit());
