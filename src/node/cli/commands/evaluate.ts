import { Argument, type Command, Option } from 'commander';
import { INVERSIONS } from '../../../inversion/names';
import { EMBEDDED } from '../../embedded';
import type { EvaluateOptions } from '../evaluate';
import { addBackend, addManner, addOptions, addThreads, settingsFrom } from '../options';
import { choice, each, list, whole } from '../read';
import { openSettings } from '../settings';

const category = whole(0, 9);

export function defineEvaluate(command: Command): void {
  command
    .addArgument(new Argument('<benchmark>', 'which benchmark').choices(['pie-bench']))
    .argument('<folder>', "in PIE-Bench's layout: mapping_file.json, and the pictures in annotation_images")
    .addOption(
      new Option('--method <name>', 'how pictures are inverted, such as direct or null-text; may be repeated')
        .argParser(each(choice(INVERSIONS)))
        .default([], 'direct, or none with --results'),
    )
    .addOption(
      new Option('--results <name=dir>', 'edits made before, under a name; may be repeated')
        .argParser(list)
        .default([], 'none'),
    )
    .addOption(
      new Option('--category <n>', 'only edits of this kind, 0 to 9; may be repeated')
        .argParser(each((value) => String(category(value)))) // As text, as in the benchmark.
        .default([], 'all'),
    )
    .option('--limit <n>', 'only the first n edits (default: all)', whole(1, 1e6))
    .option('--networks <dir>', 'folder with the networks that some measures need; the report says which are missing')
    .option('--model <model>', 'the model that edits', EMBEDDED)
    .option('--steps <n>', 'steps of a run', whole(1, 1000), 50)
    .option('--out <dir>', 'folder to write to; a stopped run continues from what is there', 'out/pie-bench');
  addManner(addThreads(addBackend(addOptions(command, openSettings))), false)
    .addHelpText(
      'after',
      `
Edits use the settings of the benchmark's table, and are measured as its script does.

Examples:
  p2p evaluate pie-bench PIE-Bench_v1 --model stable-diffusion-v1-4 --method direct --method null-text --networks networks
  p2p evaluate pie-bench PIE-Bench_v1 --results theirs=output/directinversion+p2p/annotation_images`,
    )
    .action(async (_benchmark: string, folder: string, options: EvaluateOptions) => {
      const { evaluatePieBench } = require('../evaluate') as typeof import('../evaluate');
      await evaluatePieBench(folder, { ...options, ...(await settingsFrom(openSettings, { ...options })) });
    });
}
