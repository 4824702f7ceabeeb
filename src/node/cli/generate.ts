import { longestSelf } from '../../edits/prompt-to-prompt/shares';
import { encodePng } from '../png';
import type { Manner } from './options';
import { Run } from './run';
import { type GenerateSettings, generateSettings } from './settings';
import { disposeOf } from './tensors';

/** Makes a picture from a prompt. */
export async function generate(settings: GenerateSettings, manner: Manner): Promise<void> {
  await Run.perform('generate', settings, manner, async (run) => {
    const { checkpoint, defaults } = await run.open();
    const pipeline = await run.load(checkpoint);
    const made = await run.generate(pipeline, 'Generating', [settings.prompt], {
      record: run.recordOptions(longestSelf(defaults.shares)),
    });
    await run.write('picture.png', encodePng(made.pictures[0]));
    await run.writeSettings('generate.json', generateSettings);
    await run.writeTensors(made);
    disposeOf(made);
    pipeline.dispose();
    return {};
  });
}
