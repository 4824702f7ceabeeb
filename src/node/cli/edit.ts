import type { Command } from 'commander';
import { compose } from '../../attention/compose';
import { attentionStore } from '../../attention/store';
import type { PromptToPrompt, WordPair } from '../../edits/prompt-to-prompt/promptToPrompt';
import { promptToPrompt } from '../../edits/prompt-to-prompt/promptToPrompt';
import { optionsFor } from '../../recording/settings';
import type { Tokenizer } from '../../text/tokenizer';
import { CLIPTokenizer } from '../../text/tokenizer';
import { tokensInEach } from '../../text/words';
import { editFigure } from '../editFigure';
import { encodePng } from '../png';
import { UsageError } from './errors';
import { notesOf } from './notes';
import type { Manner } from './options';
import { addManner, addSettings, settingsFrom } from './options';
import { addRecord, checkSelf, openRecording } from './recording';
import { Run } from './run';
import type { EditSettings } from './settings';
import { editSettings } from './settings';
import { disposeOf } from './tensors';

export function addEdit(program: Command): void {
  const command = program
    .command('edit')
    .description(
      'Edit a picture by editing its prompt: the source, each edit, and each as it would be without Prompt-to-Prompt.',
    );
  addRecord(addManner(addSettings(command, editSettings), true))
    .addHelpText(
      'after',
      `
A share of the steps is a fraction from the first one on (0.8), or a range (0.2-0.8).
A word may be a phrase ("blossom tree"); the second of two equal words is cat#2.

Examples:
  p2p edit --source "a cat riding a bicycle in a meadow" --target "a cat riding a motorcycle in a meadow"
  p2p edit --source "a house on a snowy mountain" --target "a house on a snowy mountain" --cross 1 --weight snowy=2
  p2p edit --source "a cat on a beach" --target "a dog on a beach" --blend cat:dog
  p2p edit --from out/edit-1/edit.json --seed 7
  p2p generate --prompt "a cat riding a bicycle" --record cat.recording
  p2p edit --recording cat.recording --target "a cat riding a car"`,
    )
    .action(async (options: Manner) => edit(await settingsFrom(editSettings, { ...options }), options));
}

async function edit(settings: EditSettings, manner: Manner): Promise<void> {
  await Run.perform('edit', settings, manner, async (run) => {
    const { source, target, self, selfSize } = settings;
    const recording = settings.recording === undefined ? undefined : await openRecording(settings.recording);
    if (recording && manner.record !== undefined)
      throw new UsageError('--record: with --recording the source is not computed anew. Copy the file instead.');
    if (recording) checkSelf(recording, self);
    const checkpoint = await run.open();
    const method = methodOf(settings, new CLIPTokenizer(await checkpoint.tokenizer()));
    const pipeline = await run.load(checkpoint);
    const store = attentionStore();
    const edited = await run.generate(pipeline, 'Editing', [source, ...target], {
      controller: compose(method, store),
      recording,
      record: run.recordOptions(self, selfSize),
    });
    const noise = recording?.noise();
    const fresh = await run.generate(
      pipeline,
      'Without injection',
      target,
      recording && { ...optionsFor(recording.settings), noise },
    );
    noise?.dispose();

    const [original, ...edits] = edited.pictures;
    await run.write('source.png', encodePng(original));
    for (const [i, picture] of edits.entries()) await run.write(`edit-${i + 1}.png`, encodePng(picture));
    for (const [i, picture] of fresh.pictures.entries())
      await run.write(`no-injection-${i + 1}.png`, encodePng(picture));
    await run.write(
      'figure.png',
      await editFigure(edited.pictures, method.prompts, store, {
        weights: settings.weight,
        fresh: fresh.pictures,
        notes: notesOf(settings),
      }),
    );
    await run.writeSettings('edit.json');
    await run.writeTensors(edited);
    store.dispose();
    disposeOf(edited, fresh);
    pipeline.dispose();
    return { edits: method.edits };
  });
}

/**
 * The controller that the settings describe. @throws UsageError that names the option and the word if a prompt lacks it
 */
export function methodOf(
  {
    source,
    target,
    cross,
    crossWord,
    self,
    selfSize,
    context,
    contextWord,
    weight,
    blend,
    blendMinus,
    blendThreshold,
  }: EditSettings,
  tokenizer: Tokenizer,
): PromptToPrompt {
  const sources = [tokenizer.tokenize(source)];
  const targets = target.map((prompt) => tokenizer.tokenize(prompt));
  const naming = <T>(option: string, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new UsageError(`${option}: ${(error as Error).message}`);
    }
  };
  const inTargets = (option: string, word: string): void =>
    naming(`${option} ${word}`, () => void tokensInEach(targets, word, sources[0]));
  const inSource = (option: string, word: string): void =>
    naming(`${option} ${word}`, () => void tokensInEach(sources, word));
  const inBoth = (option: string, pairs: EditSettings['blend']): WordPair[] =>
    pairs.map(([source, target]) => {
      inSource(option, source);
      inTargets(option, target);
      return { source, target };
    });

  Object.keys(crossWord).forEach((word) => inTargets('--cross-word', word));
  Object.keys(contextWord).forEach((word) => inTargets('--context-word', word));
  Object.keys(weight).forEach((word) => inTargets('--weight', word));
  const regions = { blend: inBoth('--blend', blend), blendMinus: inBoth('--blend-minus', blendMinus) };
  if (blendMinus.length > 0 && blend.length === 0)
    throw new UsageError('--blend-minus takes words away from a blend: give --blend as well.');
  return promptToPrompt({
    tokenizer,
    prompts: [source, ...target],
    cross,
    crossWords: crossWord,
    self,
    selfSize,
    context,
    contextWords: contextWord,
    weights: weight,
    ...regions,
    blendThreshold,
  });
}
