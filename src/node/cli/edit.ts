import { compose } from '../../attention/compose';
import { attentionStore } from '../../attention/store';
import { type AlignedToken, alignedTokens, type EditKind } from '../../edits/prompt-to-prompt/alignment';
import type { Mask } from '../../edits/prompt-to-prompt/givenMask';
import type { PromptToPrompt, PromptToPromptOptions, WordPair } from '../../edits/prompt-to-prompt/promptToPrompt';
import { promptToPrompt } from '../../edits/prompt-to-prompt/promptToPrompt';
import { endOf } from '../../edits/prompt-to-prompt/schedule';
import { longestSelf, type SharesByKind } from '../../edits/prompt-to-prompt/shares';
import { place } from '../../image/placement';
import { checkRecordable } from '../../inversion/names';
import type { StableDiffusionPipeline } from '../../pipeline';
import { fingerprints } from '../../recording/fingerprint';
import type { Recording } from '../../recording/recording';
import type { Tokenizer } from '../../text/tokenizer';
import { CLIPTokenizer } from '../../text/tokenizer';
import { tokensInEach } from '../../text/words';
import { editFigure } from '../editFigure';
import { encodePng } from '../png';
import { naming, UsageError } from './errors';
import { KINDS, notesOf } from './notes';
import type { Manner } from './options';
import {
  atOriginalSize,
  checkPictureSettings,
  invertPicture,
  LastRegion,
  type OwnPicture,
  openMask,
  openPicture,
  writePictures,
} from './picture';
import { checkSelf, openRecording } from './recording';
import { Run } from './run';
import { type EditSettings, editSettings } from './settings';
import { lastSelf, type Settled, settleEdit, sharesOf } from './settle';
import { disposeOf } from './tensors';
import { table } from './text';

export interface EditManner extends Manner {
  /** Whether to also generate the targets without injection. */
  readonly compare: boolean;
  readonly showAlignment?: boolean;
}

/** Edits a picture, and writes a figure that compares the results. */
export async function edit(settings: EditSettings, manner: EditManner): Promise<void> {
  checkSettings(settings, manner);
  await Run.perform('edit', settings, manner, async (run) => {
    const { source, target, selfSize, image } = settings;
    const recording = settings.recording === undefined ? undefined : await openRecording(settings.recording);
    if (recording && manner.record !== undefined)
      throw new UsageError('--record: with --recording the source is not computed again. Copy the file instead.');
    const { checkpoint, defaults } = await run.open();
    const shares = sharesOf(settings, defaults);
    const tokenizer = new CLIPTokenizer(await checkpoint.tokenizer());
    const { edits } = methodOf(settings, shares, tokenizer);
    const self = lastSelf(shares, edits);
    const settled = settleEdit(run.settings as Settled<EditSettings>, defaults, edits);
    run.settings = settled;
    const pipeline = await run.load(checkpoint);
    if (recording) {
      recording.checkModel(await fingerprints(pipeline, settled.sampler));
      checkSelf(recording, self);
    }
    const own =
      image === undefined ? undefined : await openPicture(image, settings, pipeline, (text) => run.warn(text));
    const mask = await maskOf(settings, own, recording, pipeline, (text) => run.warn(text));
    const inversion = own && (await invertPicture(run, pipeline, own, source, settings));
    const region = new LastRegion();
    const method = methodOf(settings, shares, tokenizer, { mask, onRegion: region.keep });
    const store = attentionStore();
    const controller = compose(method, store);
    const record = run.recordOptions(Math.max(longestSelf(defaults.shares), endOf(self)), selfSize);
    const edited = await run.generate(pipeline, 'Editing', [source, ...target], {
      ...(inversion?.options(controller) ?? { controller }),
      recording,
      record: record && (inversion?.recordOptions(record) ?? record),
    });
    // For an inverted picture, the comparison keeps the inversion method and leaves out only the injection.
    const beside = recording ? { recording } : inversion?.options();
    const fresh = manner.compare
      ? await run.compare(pipeline, beside ? [source, ...target] : target, beside)
      : undefined;
    const withoutInjection = fresh?.pictures.slice(-target.length);

    const [reconstruction, ...pictures] = edited.pictures;
    if (own) await run.write('original.png', encodePng(own.fitted));
    await run.write('source.png', encodePng(reconstruction));
    await writePictures(run, (i) => `edit-${i}.png`, pictures);
    await writePictures(run, (i) => `edit-${i}-full.png`, own ? atOriginalSize(own, reconstruction, pictures) : []);
    await writePictures(
      run,
      (i) => `blend-${i}.png`,
      await region.pictures(reconstruction, mask && !union(settings) ? mask : undefined),
    );
    await writePictures(run, (i) => `no-injection-${i}.png`, withoutInjection ?? []);
    await run.write(
      'figure.png',
      await editFigure(edited.pictures, method.prompts, store, {
        weights: settings.weight,
        fresh: withoutInjection,
        notes: notesOf(settled),
      }),
    );
    await run.writeSettings('edit.json', editSettings);
    await run.writeTensors(edited, inversion);
    store.dispose();
    inversion?.dispose();
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

/** @throws UsageError naming an option that conflicts with the others, or is missing */
function checkSettings(settings: EditSettings, manner: EditManner): void {
  const { image, source, inversion = 'direct', mask, maskFeather, maskMode, blend } = settings;
  checkPictureSettings(settings, { ...manner });
  if ('blendThreshold' in manner && blend.length === 0)
    throw new UsageError('--blend-threshold is for the words of --blend: give --blend as well.');
  if (source === '' && image === undefined) throw new UsageError('--source: Expected some text.');
  if (mask === undefined && (maskFeather !== undefined || maskMode !== undefined))
    throw new UsageError(`--mask-${maskMode === undefined ? 'feather' : 'mode'} needs a mask: give one with --mask.`);
  if (maskMode !== undefined && blend.length === 0)
    throw new UsageError('--mask-mode combines a mask with the words of --blend: give --blend as well.');
  if (image !== undefined && manner.record !== undefined) naming('--record', () => checkRecordable(inversion));
}

/** The given mask, at the size of the edit's pictures. */
async function maskOf(
  { mask, maskFeather, height, width }: EditSettings,
  own: OwnPicture | undefined,
  recording: Recording | undefined,
  { defaultSize }: StableDiffusionPipeline,
  warn: (message: string) => void,
): Promise<Mask | undefined> {
  if (mask === undefined) return undefined;
  const generated = { height: height ?? defaultSize.height, width: width ?? defaultSize.width };
  const { width: w, height: h } = recording?.settings ?? generated;
  const size = { width: w, height: h };
  return openMask(mask, maskFeather, own?.placement ?? place(size, size), warn);
}

function union({ maskMode }: EditSettings): boolean {
  return maskMode === 'union';
}

/** Describes the kind of each edit, and which settings came from the model. */
function editsInWords(settled: Settled<EditSettings>, edits: readonly EditKind[]): string {
  const { target, fromModel } = settled;
  return [
    ...target.map((prompt, i) => `edit-${i + 1}: ${KINDS[edits[i]]} (${edits[i]}): ${prompt}`),
    ...(fromModel.length > 0
      ? [`The model's own: ${fromModel.map((name) => `${name} ${valueAt(settled, name)}`).join(', ')}.`]
      : []),
  ].join('\n');
}

/** For each target, its tokens with the source tokens they take their attention from. */
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

/** The controller that the settings describe. @throws UsageError naming the option and the word if a prompt lacks it */
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
    maskMode,
    edit,
    alignment,
  }: EditSettings,
  shares: SharesByKind,
  tokenizer: Tokenizer,
  more: Pick<PromptToPromptOptions, 'mask' | 'onRegion'> = {},
): PromptToPrompt {
  const sources = [tokenizer.tokenize(source)];
  const targets = target.map((prompt) => tokenizer.tokenize(prompt));
  const inTargets = (option: string, word: string): void =>
    naming(option, () => void tokensInEach(targets, word, sources[0]));
  const inBoth = (option: string, pairs: EditSettings['blend']): WordPair[] =>
    pairs.map(([source, target]) => {
      const given = source === target ? `${source}, the same as ${source}:${target}` : `${source}:${target}`;
      naming(`${option} ${given}`, () => void tokensInEach(sources, source));
      inTargets(`${option} ${given}`, target);
      return { source, target };
    });

  Object.keys(crossWord).forEach((word) => inTargets(`--cross-word ${word}`, word));
  Object.keys(contextWord).forEach((word) => inTargets(`--context-word ${word}`, word));
  Object.keys(weight).forEach((word) => inTargets(`--weight ${word}`, word));
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
    maskMode,
    ...more,
  });
}
