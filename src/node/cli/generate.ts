import type { Command } from 'commander';
import { encodePng } from '../png';
import type { Manner } from './options';
import { addManner, addSettings, settingsFrom } from './options';
import { addRecord } from './recording';
import { Run } from './run';
import type { GenerateSettings } from './settings';
import { generateSettings } from './settings';
import { disposeOf } from './tensors';

export function addGenerate(program: Command): void {
  const command = program.command('generate').description('Make a picture from a prompt.');
  addRecord(addManner(addSettings(command, generateSettings), true))
    .addHelpText(
      'after',
      `
Example:
  p2p generate --prompt "a panda driving a car on a snowy street" --seed 3`,
    )
    .action(async (options: Manner) => generate(await settingsFrom(generateSettings, { ...options }), options));
}

async function generate(settings: GenerateSettings, manner: Manner): Promise<void> {
  await Run.perform('generate', settings, manner, async (run) => {
    const pipeline = await run.load(await run.open());
    const made = await run.generate(pipeline, 'Generating', [settings.prompt], { record: run.recordOptions() });
    await run.write('picture.png', encodePng(made.pictures[0]));
    await run.writeSettings('generate.json');
    await run.writeTensors(made);
    disposeOf(made);
    pipeline.dispose();
    return {};
  });
}
