import { Argument, type Command } from 'commander';
import { EMBEDDED } from '../../embedded';
import type { EvaluateOptions } from '../evaluate';
import { addManner, addOptions, addThreads, settingsFrom } from '../options';
import { list, whole } from '../read';
import { loraSettings } from '../settings';

const category = whole(0, 9);

/** As the benchmark writes them. */
function categories(value: string, before: string[]): string[] {
  return [...before, String(category(value))];
}

export function defineEvaluate(command: Command): void {
  command
    .addArgument(new Argument('<benchmark>', 'which benchmark').choices(['pie-bench']))
    .argument('<folder>', "in PIE-Bench's layout: mapping_file.json, and the pictures in annotation_images")
    .option(
      '--method <name>',
      'how pictures are inverted, such as direct or null-text; may be repeated (default: direct, without --results)',
      list,
      [],
    )
    .option('--results <name=dir>', 'edits that were made before, under a name; may be repeated', list, [])
    .option('--category <n>', 'only edits of this kind, 0 to 9; may be repeated (default: all)', categories, [])
    .option('--limit <n>', 'only so many edits, from the first (default: all)', whole(1, 1e6))
    .option('--networks <dir>', 'folder with the networks that some measures need; the report says which it lacks')
    .option('--model <model>', 'the model that edits', EMBEDDED)
    .option('--steps <n>', 'steps of a run', whole(1, 1000), 50)
    .option('--backend <name>', 'what to compute with (see p2p backends; default: the best there is)')
    .option('--out <dir>', 'folder to write to; a run that was stopped goes on from what is there', 'out/pie-bench');
  addManner(addThreads(addOptions(command, loraSettings)), false)
    .addHelpText(
      'after',
      `
Edits are made with the settings that the benchmark's table was made with, and measured as its script does.

Examples:
  p2p evaluate pie-bench PIE-Bench_v1 --model stable-diffusion-v1-4 --method direct --method null-text --networks networks
  p2p evaluate pie-bench PIE-Bench_v1 --results theirs=output/directinversion+p2p/annotation_images`,
    )
    .action(async (_benchmark: string, folder: string, options: EvaluateOptions) => {
      const { evaluatePieBench } = require('../evaluate') as typeof import('../evaluate');
      await evaluatePieBench(folder, { ...options, ...(await settingsFrom(loraSettings, { ...options })) });
    });
}
