import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { InversionName } from '../../inversion/names';
import { StableDiffusionPipeline } from '../../pipeline';
import { chooseBackend } from '../backend';
import { openCheckpoint } from '../checkpoint';
import { unmade } from '../fileErrors';
import { type BenchEdit, readPieBench } from '../pie-bench/bench';
import { type Editor, editorBy, madeBefore, withPublishedSteps } from '../pie-bench/editors';
import { evaluate } from '../pie-bench/evaluate';
import { type Measures, openMeasures } from '../pie-bench/measures';
import { SOURCE } from '../pie-bench/page';
import { meanOf, type Table } from '../pie-bench/table';
import { naming, UsageError } from './errors';
import type { Manner } from './options';
import { Progress } from './progress';
import type { OpenSettings } from './settings';
import { stopSignal } from './supervised';
import { table } from './text';

/** The file with a run's settings, beside its results. */
const SETTINGS = 'settings.json';

export interface EvaluateOptions extends OpenSettings, Pick<Manner, 'quiet' | 'json'> {
  readonly method: readonly InversionName[];
  readonly results: readonly string[];
  readonly networks?: string;
  readonly category: readonly string[];
  readonly limit?: number;
  readonly model: string;
  readonly steps: number;
  readonly backend?: string;
  readonly threads?: number;
  readonly out: string;
}

/** Edits a folder in PIE-Bench's layout and measures the edits, or measures existing ones. */
export async function evaluatePieBench(folder: string, options: EvaluateOptions): Promise<void> {
  const editors = options.results.map(resultsOf);
  if (options.networks !== undefined) checkFolder('--networks', options.networks);
  checkFolder('<folder>', folder);
  const edits = chosen(await readPieBench(folder), options);
  const methods = options.method.length === 0 && editors.length === 0 ? (['direct'] as const) : options.method;
  checkNames([...editors.map(({ name }) => name), ...methods]);
  const { model, lora, variant, steps } = options;
  const out = resolve(options.out);
  const settings = `${JSON.stringify({ model, lora, variant, steps, folder: resolve(folder) }, undefined, 2)}\n`;
  await checkOut(out, settings);
  const progress = new Progress(options.quiet);
  const warn = warner(options);
  const { measures, pipe } = await open(options, methods.length > 0, warn);
  try {
    await writeFile(join(out, SETTINGS), settings);
    if (pipe) editors.push(...methods.map((method) => editorBy(method, pipe, steps, warn)));
    const onProgress = (done: number, total: number): void => progress.show('Evaluating', done, total, 'edits');
    const results = await evaluate(edits, editors, measures, out, { signal: stopSignal, onProgress });
    print(results, measures, { ...options, out });
  } finally {
    progress.stop();
    measures.dispose();
    pipe?.dispose();
  }
}

/** Opens the measures' networks, and the model if there are edits to make. */
async function open(
  { backend, threads, networks, model, lora, variant }: EvaluateOptions,
  edits: boolean,
  warn: (message: string) => void,
) {
  await chooseBackend(backend, { threads, warn });
  const checkpoint = edits ? withPublishedSteps(await openCheckpoint(model, { loras: lora, variant })) : undefined;
  const pipe = checkpoint && (await StableDiffusionPipeline.load(checkpoint));
  for (const note of pipe?.notes ?? []) warn(note);
  return { pipe, measures: await openMeasures(networks) };
}

/** Warns on stderr, once per message. */
function warner({ quiet }: EvaluateOptions): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (!quiet && !told.has(message)) process.stderr.write(`warning: ${message}\n`);
    told.add(message);
  };
}

/** @throws UsageError if no edits are left */
function chosen(edits: readonly BenchEdit[], { category, limit }: EvaluateOptions): readonly BenchEdit[] {
  const left = edits.filter((edit) => category.length === 0 || category.includes(edit.category)).slice(0, limit);
  if (left.length === 0) throw new UsageError(`No edit is left of ${edits.length}: see --category and --limit.`);
  return left;
}

function resultsOf(value: string): Editor {
  const [, name, folder] = /^([^=/\\]+)=(.+)$/.exec(value) ?? [];
  if (name === undefined) throw new UsageError(`--results ${value}: expected NAME=FOLDER, such as null-text=output.`);
  checkFolder('--results', folder);
  return madeBefore(name, folder);
}

/** @throws UsageError if two editors would write to one folder, or one to that of the sources */
function checkNames(names: readonly string[]): void {
  const taken = names.find((name, i) => name === SOURCE || names.indexOf(name) < i);
  if (taken !== undefined)
    throw new UsageError(
      `--results and --method: ${taken} is ${taken === SOURCE ? "the sources' own name" : 'given twice'}. Give each a name of its own.`,
    );
}

/** @throws UsageError naming the option if there is no such folder */
function checkFolder(option: string, folder: string): void {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`${option}: There is no folder ${folder}. Check its name.`);
}

/** @throws UsageError if nothing can be written to the folder, or it has results of a run with other settings */
async function checkOut(out: string, settings: string): Promise<void> {
  await naming('--out', () => mkdir(out, { recursive: true }).catch(unmade(out)));
  const file = join(out, SETTINGS);
  if (existsSync(file) && (await readFile(file, 'utf8')) !== settings)
    throw new UsageError(`--out ${out} is of a run with other settings (${SETTINGS} in it): choose another folder.`);
}

function print(results: Table, { measures, missing }: Measures, { quiet, json, out }: EvaluateOptions): void {
  const editors = [...new Set(results.rows.map(({ editor }) => editor))];
  const rowsOf = (name: string) => results.rows.filter(({ editor }) => editor === name);
  if (json) {
    const means = editors.map((method) => ({
      method,
      edits: rowsOf(method).length,
      ...Object.fromEntries(measures.map(({ name }) => [name, meanOf(rowsOf(method), name)])),
    }));
    process.stdout.write(
      `${JSON.stringify({ command: 'evaluate pie-bench', folder: out, means, missing }, undefined, 2)}\n`,
    );
    return;
  }
  if (quiet) return;
  const head = ['method', ...measures.map(({ name, scale }) => (scale === 1 ? name : `${name} x${scale}`))];
  const lines = editors.map((method) => [
    method,
    ...measures.map(({ name, scale }) => (meanOf(rowsOf(method), name) * scale).toFixed(2)),
  ]);
  const lacking = missing.map(({ names, needs }) => `${names.join(', ')}: not measured; needs ${needs}`);
  const files = ['results.csv', 'report.html'].map((name) => join(out, name));
  process.stdout.write(`${[table([head, ...lines]), ...lacking, ...files].join('\n')}\n`);
}
