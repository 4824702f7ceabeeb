import { compose } from '../../attention/compose';
import { attentionStore } from '../../attention/store';
import { type AlignedToken, alignedTokens, type EditKind } from '../../edits/prompt-to-prompt/alignment';
import type { PromptToPrompt, WordPair } from '../../edits/prompt-to-prompt/promptToPrompt';
import { promptToPrompt } from '../../edits/prompt-to-prompt/promptToPrompt';
import { longestSelf, type SharesByKind } from '../../edits/prompt-to-prompt/shares';
import { fingerprints } from '../../recording/fingerprint';
import { optionsFor } from '../../recording/settings';
import type { Tokenizer } from '../../text/tokenizer';
import { CLIPTokenizer } from '../../text/tokenizer';
import { tokensInEach } from '../../text/words';
import { editFigure } from '../editFigure';
import { encodePng } from '../png';
import { UsageError } from './errors';
import { KINDS, notesOf } from './notes';
import type { Manner } from './options';
import { checkSelf, openRecording } from './recording';
import { Run } from './run';
import { type EditSettings, editSettings } from './settings';
import { endOf, lastSelf, type Settled, settle, settleEdit, sharesOf } from './settle';
import { disposeOf } from './tensors';
import { table } from './text';

export interface EditManner extends Manner {
  /** Whether to make the targets without injection, too. */
  readonly compare: boolean;
  readonly showAlignment?: boolean;
}

/** Edits a picture, and writes the figure that compares it. */
export async function edit(settings: EditSettings, manner: EditManner): Promise<void> {
  await Run.perform('edit', settings, manner, async (run) => {
    const { source, target, selfSize } = settings;
    const recording = settings.recording === undefined ? undefined : await openRecording(settings.recording);
    if (recording && manner.record !== undefined)
      throw new UsageError('--record: with --recording the source is not computed anew. Copy the file instead.');
    const { checkpoint, defaults } = await run.open();
    const shares = sharesOf(settings, defaults);
    const method = methodOf(settings, shares, new CLIPTokenizer(await checkpoint.tokenizer()));
    const self = lastSelf(shares, method.edits);
    const settled = settleEdit(settle(settings, defaults), defaults, method.edits);
    run.settings = settled;
    const pipeline = await run.load(checkpoint);
    if (recording) {
      recording.checkModel(await fingerprints(pipeline, settled.sampler));
      checkSelf(recording, self);
    }
    const store = attentionStore();
    const edited = await run.generate(pipeline, 'Editing', [source, ...target], {
      controller: compose(method, store),
      recording,
      record: run.recordOptions(Math.max(longestSelf(defaults.shares), endOf(self)), selfSize),
    });
    const noise = recording?.noise();
    const fresh = manner.compare
      ? await run.compare(pipeline, target, recording && { ...optionsFor(recording.settings), noise })
      : undefined;
    noise?.dispose();

    const [original, ...edits] = edited.pictures;
    await run.write('source.png', encodePng(original));
    for (const [i, picture] of edits.entries()) await run.write(`edit-${i + 1}.png`, encodePng(picture));
    for (const [i, picture] of (fresh?.pictures ?? []).entries())
      await run.write(`no-injection-${i + 1}.png`, encodePng(picture));
    await run.write(
      'figure.png',
      await editFigure(edited.pictures, method.prompts, store, {
        weights: settings.weight,
        fresh: fresh?.pictures,
        notes: notesOf(settled),
      }),
    );
    await run.writeSettings('edit.json', editSettings);
    await run.writeTensors(edited);
    store.dispose();
    disposeOf(edited, ...(fresh ? [fresh] : []));
    pipeline.dispose();
    const alignments = manner.showAlignment ? alignmentsOf(method) : undefined;
    return {
      edits: method.edits,
      alignments,
      text: [editsInWords(settled, method.edits), ...(alignments ?? []).map(alignmentTable)].join('\n\n'),
    };
  });
}

/** What kind of edit each target is, and which settings were the model's own. */
function editsInWords(settled: Settled<EditSettings>, edits: readonly EditKind[]): string {
  const { target, fromModel } = settled;
  return [
    ...target.map((prompt, i) => `edit-${i + 1}: ${KINDS[edits[i]]} (${edits[i]}): ${prompt}`),
    ...(fromModel.length > 0
      ? [`The model's own: ${fromModel.map((name) => `${name} ${valueAt(settled, name)}`).join(', ')}.`]
      : []),
  ].join('\n');
}

/** For each target, its tokens with the source tokens whose attention they take. */
function alignmentsOf({ prompts: [source, ...targets], alignments }: PromptToPrompt): AlignedToken[][] {
  return targets.map((target, i) => alignedTokens(source, target, alignments[i]));
}

function alignmentTable(tokens: readonly AlignedToken[], index: number): string {
  const taken = ({ sources }: AlignedToken): string =>
    sources
      .map(({ position, text, share }) => `${position} ${text}${share === 1 ? '' : ` x ${share.toFixed(2)}`}`)
      .join(', ');
  return table([
    ['token', `of edit-${index + 1}`, 'takes the attention of'],
    ...tokens.map((token) => [token.position, token.text, taken(token) || 'itself: it is new']),
  ]);
}

/** @param path such as `shares.replace.cross` */
function valueAt(settings: object, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], settings);
}

/**
 * The controller that the settings describe. @throws UsageError that names the option and the word if a prompt lacks it
 */
export function methodOf(
  {
    source,
    target,
    crossWord,
    selfSize,
    contextWord,
    weight,
    blend,
    blendMinus,
    blendThreshold,
    edit,
    alignment,
  }: EditSettings,
  shares: SharesByKind,
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
    shares,
    edit,
    alignment,
    crossWords: crossWord,
    selfSize,
    contextWords: contextWord,
    weights: weight,
    ...regions,
    blendThreshold,
  });
}
