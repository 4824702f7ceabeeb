// The half of compare_real_size.py that runs this project: node scripts/realSize.js CHECKPOINT BACKEND RUNS [INPUTS OUTPUTS]; without the last two it only loads
const tf = require('@tensorflow/tfjs');
const { FixedContext, SafetensorsFile, StableDiffusionPipeline, attentionStore, compose, crossInjection, selfInjection } = require('../dist');
const { chooseBackend, fileBytes, openCheckpoint, saveSafetensors } = require('../dist/node');

const [checkpoint, backend, runs, inputs, outputs] = process.argv.slice(2);
const peak = () => process.resourceUsage().maxRSS / 1e6;
const tell = (result) => console.log(JSON.stringify(result));

/** Best of the runs after a first one, in seconds; the last result is kept for comparison. */
async function measure(work, compute, kept) {
  let best = Infinity;
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    const y = compute();
    const data = await y.data();
    if (run > 0) best = Math.min(best, (performance.now() - start) / 1000);
    kept.set(work, { name: work, shape: y.shape, data });
    y.dispose();
  }
  tell({ work, seconds: best, peak: peak() });
}

async function main() {
  await chooseBackend(backend);
  const start = performance.now();
  const pipeline = await StableDiffusionPipeline.load(await openCheckpoint(checkpoint));
  tell({ work: 'load', seconds: (performance.now() - start) / 1000, peak: peak() });

  if (inputs === undefined) return;

  const file = await SafetensorsFile.open(await fileBytes(inputs));
  const read = async (name) => tf.tensor(await file.read(name), [...file.tensors.get(name).shape]);
  const [ids, latents, prompts] = await Promise.all(['ids', 'latents', 'context'].map(read));
  const [, height, width] = latents.shape;
  const tokens = prompts.shape[1];
  const rows = [false, true].flatMap((conditional) => [0, 1].map((prompt) => ({ prompt, conditional })));
  const evaluation = { step: 0, steps: 50, timestep: 981, latents: { height, width }, rows };
  const own = (i) => Number(i % (tokens + 1) === 0);
  const alignment = { length: tokens, matrix: new Float32Array(tokens * tokens).map((_, i) => own(i)), aligned: new Float32Array(tokens).fill(1) };
  const target = { text: '', ids: Array(tokens).fill(0), length: tokens, pieces: [], lost: '' };
  const store = attentionStore();
  const controller = compose(crossInjection({ targets: [target], alignments: [alignment] }), selfInjection(), store);
  const context = new FixedContext(prompts.clone(), [0, 1, 2, 3]);

  const kept = new Map();
  await measure('text encoder', () => pipeline.textEncoder.forward(ids.arraySync()), kept);
  await measure('UNet step', () => pipeline.unet.forward(latents, 981, context), kept);
  await measure('edit step', () => pipeline.unet.forward(latents, 981, context, { controller, evaluation }), kept);
  context.dispose();
  store.dispose();
  await measure('VAE decode', () => tf.tidy(() => pipeline.vae.decode(tf.slice(latents, 0, 1))), kept);
  await saveSafetensors(outputs, [...kept.values()]);
}

main().then(() => process.exit());
