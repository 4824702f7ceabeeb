/** npm run evaluate: measures the embedded model and its edits. */

import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { findMarks, writeBetweenMarks } from '../scripts/marks';
import type { BackendInfo } from '../src/backend/backendInfo';
import { BACKEND_NAMES } from '../src/backend/names';
import { defaultsOf } from '../src/defaults';
import { EDIT_KINDS } from '../src/edits/prompt-to-prompt/alignment';
import type { Panel } from '../src/image/layout';
import { EMBEDDED, openCheckpoint } from '../src/node/checkpoint';
import { Progress } from '../src/node/cli/progress';
import { drawFigure } from '../src/node/figure';
import { SAMPLERS } from '../src/sampler/schedulers';
import { checkDefaults } from './defaults';
import type { Experiment, Outcome, Sample } from './experiment';
import { experiments } from './experiments';
import { curveOf, figuresOf } from './figures';
import { type PromptSet, readHeldOut } from './heldOut';
import { pictures } from './pictures';
import { pictureTable } from './pictureTable';
import { drawCurve } from './plot';
import { inProcesses } from './pool';
import { table } from './report';
import { type Given, judgeOf, type Settings, settingsOf } from './studio';

interface Options extends Given {
  readonly only?: readonly string[];
  readonly quick?: boolean;
  readonly tuning?: boolean;
  readonly model: string;
  readonly judge?: string;
  readonly backend: string;
  readonly processes?: number;
  readonly out: string;
}

/** The working directory that evaluate/run.js starts this in. */
const root = process.cwd();
const folder = join(root, 'evaluate');
const card = join(root, 'weights', EMBEDDED, 'README.md');
/** With --quick, one in so many runs is done. */
const QUICK = 8;

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError('Expected a number from 0 on.');
  return value;
}

const numbers = (text: string, before: readonly number[] = []): number[] => [...before, number(text)];

/** Adds the options of every measuring command. */
function measuring(command: Command): Command {
  return command
    .option('--quick', `only one in ${QUICK} runs`)
    .option('--model <folder>', 'another model of the same world', EMBEDDED)
    .option('--judge <file>', "the judge's weights, if they are not in the model's folder")
    .addOption(new Option('--backend <name>', 'what to compute with').choices(BACKEND_NAMES).default('wasm'))
    .option('--processes <n>', 'processes that share the work (default: one per core on wasm, otherwise one)', number)
    .option('--out <folder>', 'where to write pictures and figures', 'out/evaluate');
}

const program = measuring(new Command('evaluate'))
  .enablePositionalOptions() // Options after a subcommand's name belong to the subcommand.
  .description(
    "Measure the embedded model and its edits on held-out prompts. A full run writes evaluate/results and the table in the model's card; every run writes out/evaluate.",
  )
  .addOption(new Option('--only <names...>', 'only some experiments').choices(experiments.map(({ name }) => name)))
  .option('--tuning', 'use the prompts that settings are chosen with, not those that are measured')
  .option('--steps <n>', "denoising steps (default: the model's)", number)
  .addOption(new Option('--sampler <name>', "which sampler (default: the model's)").choices(SAMPLERS))
  .option('--guidance <g>', "how strongly pictures follow their prompts (default: the model's)", number)
  .option('--project-above <g>', "the guidance above which it is projected (default: the model's)", number)
  .option(
    '--cross <f>',
    "share of the run in which edits of all kinds take the source's cross-attention (default: the model's)",
    number,
  )
  .option('--self <f>', 'the same for its self-attention', number)
  .option('--context <f>', 'the same for the meaning of words that both prompts have', number)
  .option(
    '--blend-threshold <f>',
    'how much the words of a local blend must look at a place of its region, as a share of their strongest look',
    number,
  )
  .action(evaluate);

program
  .command('defaults')
  .description(
    "Make twelve edits with the command's default settings, once for each sampler. Exits with code 1 if one is farther from its source than the picture without injection, or burnt out.",
  )
  .option('--model <folder>', 'any model', EMBEDDED)
  .addOption(new Option('--backend <name>', 'what to compute with').choices(BACKEND_NAMES).default('wasm'))
  .option('--out <folder>', 'where to write the pictures', 'out/evaluate')
  .option('--guidance <g...>', "how strongly edits follow their prompts, one or more (default: the model's)", numbers)
  .action(async (options: { model: string; backend: string; out: string; guidance?: readonly number[] }) => {
    if (!(await checkDefaults(options))) process.exitCode = 1;
  });

measuring(program.command('pictures'))
  .description(
    "Invert held-out pictures by every method, edit them, and compare with the true edits. A full run writes the table in the model's card.",
  )
  .option('--guidance <g>', "how strongly edits follow their prompts (default: the model's for pictures)", number)
  .action(evaluatePictures);

program.parseAsync().catch((error: Error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});

async function evaluate(options: Options): Promise<void> {
  const { only, quick, tuning, model, out } = options;
  const whole = !only && !quick && !tuning && model === EMBEDDED && isDefault(options);
  if (whole) await findMarks(card, 'figures'); // Fails before all the work, not after it.
  const chosen = experiments.filter(({ name }) => !only || only.includes(name));
  const measured = await measure(chosen, options);
  const { samples, settings, backend } = measured;
  const [figures, curve] = [figuresOf(samples), curveOf(samples)];
  const lines = `${table(figures)}\n\n${madeBy(measured)}`;
  writeFileSync(join(out, 'figures.md'), `${lines}\n`);
  if (curve.length > 0) writeFileSync(join(out, 'injection.png'), drawCurve(curve, settings.shares.replace));
  console.log(`${lines}\n\nPictures to look at are in ${out}.`);

  if (!whole) return;
  const results = join(folder, 'results');
  mkdirSync(results, { recursive: true });
  const machine = { processor: os.cpus()[0].model, cores: os.cpus().length, node: process.version };
  writeFileSync(
    join(results, 'figures.json'),
    `${JSON.stringify({ date: new Date().toISOString(), machine, backend, settings, figures, curve }, null, 2)}\n`,
  );
  writeFileSync(join(results, 'injection.png'), drawCurve(curve, settings.shares.replace));
  await writeBetweenMarks(card, 'figures', lines);
}

/** Like `evaluate`: inverts pictures by every method, edits them, and compares with their true edits. */
async function evaluatePictures(options: Options): Promise<void> {
  const whole = !options.quick && options.model === EMBEDDED && options.guidance === undefined;
  if (whole) await findMarks(card, 'pictures');
  const measured = await measure([pictures], options);
  const { samples, settings } = measured;
  const used = { ...settings, guidance: settings.pictureGuidance };
  const lines = `${pictureTable(samples)}\n\n${madeBy({ ...measured, settings: used })}`;
  writeFileSync(join(options.out, 'pictures.md'), `${lines}\n`);
  console.log(`${lines}\n\nPictures to look at are in ${options.out}.`);
  if (whole) await writeBetweenMarks(card, 'pictures', lines);
}

/** The results of experiments, and how they were obtained. */
interface Measured {
  readonly samples: readonly Sample[];
  readonly settings: Settings;
  readonly backend: BackendInfo;
  readonly processes: number;
  /** The duration. */
  readonly minutes: string;
  /** The command's arguments, without the folder written to. */
  readonly command: string;
}

/** Runs experiments in several processes and writes their samples and sheets. */
async function measure(chosen: readonly Experiment[], options: Options): Promise<Measured> {
  const { quick, tuning, model, out } = options;
  const prompts: PromptSet = tuning ? 'tuning' : 'held_out';
  const settings = settingsOf(await defaultsOf(await openCheckpoint(model)), options);
  const heldOut = readHeldOut(folder, prompts);
  const tasks = chosen.flatMap(({ name, runs }) =>
    Array.from({ length: Math.ceil(runs(heldOut) / (quick ? QUICK : 1)) }, (_, index) => ({ name, index })),
  );
  const processes = options.processes ?? (options.backend === 'wasm' ? os.availableParallelism() : 1);
  const setup = {
    places: { model, judge: options.judge ?? judgeOf(model, root), folder, prompts },
    settings,
    backend: { name: options.backend, threads: processes > 1 ? 1 : undefined },
  };
  const outcomes = new Map(chosen.map(({ name }) => [name, [] as Outcome[]]));
  const progress = new Progress();
  const started = performance.now();
  const minutes = (): string => ((performance.now() - started) / 60_000).toFixed(1);
  let done = 0;
  const backend = await inProcesses(
    processes,
    join(__dirname, 'worker.js'),
    setup,
    tasks,
    ({ name, index }, outcome) => {
      outcomes.get(name)![index] = outcome;
      progress.show('evaluate', ++done, tasks.length, 'runs');
      const last = tasks.filter((task) => task.name === name).length === Object.keys(outcomes.get(name)!).length;
      if (last && !process.stderr.isTTY) console.error(`${name}: done after ${minutes()} min`);
    },
  );
  const samples = [...outcomes.values()].flat().flatMap((outcome) => outcome.samples);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'samples.json'), JSON.stringify(samples));
  for (const experiment of chosen)
    drawSheet(
      experiment,
      outcomes.get(experiment.name)!.flatMap(({ panels }) => panels),
      out,
    );
  const command = process.argv
    .slice(2)
    .filter((word, i, words) => word !== '--out' && words[i - 1] !== '--out') // Where results went is nobody else's concern.
    .join(' ');
  return { samples, settings, backend, processes, minutes: minutes(), command };
}

/** Whether all settings are the model's own, so that the figures are worth keeping. */
function isDefault({ steps, sampler, guidance, projectAbove, cross, self, context, blendThreshold }: Given): boolean {
  return [steps, sampler, guidance, projectAbove, cross, self, context, blendThreshold].every(
    (given) => given === undefined,
  );
}

function madeBy({ settings, backend, processes, minutes, command }: Measured): string {
  const { steps, sampler, guidance, projectAbove, shares, blendThreshold } = settings;
  const kinds = EDIT_KINDS.map((kind) => {
    const { cross, self, context } = shares[kind];
    return `${kind} ${cross}, ${self}, ${context}`;
  });
  const asked = `npm run evaluate${command ? ` -- ${command}` : ''}`;
  return `${steps} steps of ${sampler}, guidance ${guidance}${guidance > projectAbove ? ` (projected above ${projectAbove})` : ''}. Shares of the run for which an edit takes cross-attention, self-attention and the words' context: ${kinds.join('; ')}. Local blend from ${blendThreshold} of a map's maximum on. \`${asked}\`, ${minutes} min on ${backend.name}, ${processes > 1 ? `${processes} processes` : `${backend.threads} threads`}.`;
}

function drawSheet({ name, sheet }: Experiment, panels: readonly Panel[], out: string): void {
  if (!sheet) return;
  const shown = panels.slice(0, sheet.most);
  const bands = shown.flatMap((_, i) =>
    i % sheet.columns === 0 ? [{ panels: shown.slice(i, i + sheet.columns) }] : [],
  );
  writeFileSync(join(out, `${name.replaceAll(' ', '-')}.png`), drawFigure(bands, 128));
}
