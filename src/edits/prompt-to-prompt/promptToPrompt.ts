import { compose } from '../../attention/compose';
import type { AttentionController } from '../../attention/controller';
import { expectTexts } from '../../text/prompts';
import type { TokenizedPrompt, Tokenizer } from '../../text/tokenizer';
import { type PerWord, perWord, tokensInEach, type Word } from '../../text/words';
import { type Alignment, type EditKind, editKind, type ReplacementRule, refinement, replacement } from './alignment';
import { contextInjection } from './contextInjection';
import { crossInjection } from './crossInjection';
import { type Mask, type MaskMode, maskBlend } from './givenMask';
import { type LocalBlendOptions, localBlend } from './localBlend';
import { attentionReweight } from './reweight';
import type { StepRange } from './schedule';
import { selfInjection } from './selfInjection';
import { AUTHORS_SHARES, type Shares, type SharesByKind } from './shares';

/** A word of the source and the word that takes its place in a target; they may be the same. */
export interface WordPair {
  readonly source: Word;
  readonly target: Word;
}

/** What to edit, and how much of the source to keep. */
export interface PromptToPromptOptions {
  readonly tokenizer: Tokenizer;
  /** The source, then its targets; or one prompt alone, to re-weight it. */
  readonly prompts: readonly string[];
  /**
   * The defaults of `cross`, `self` and `context` for each kind of edit: pass a pipeline's `defaults.shares`, which are
   * those of its checkpoint. Default: the authors', `AUTHORS_DEFAULTS.shares`.
   */
  readonly shares?: SharesByKind;
  /** When the targets take the source's cross-attention (the authors' `cross_replace_steps`). */
  readonly cross?: StepRange;
  /** The same for the tokens of some words of the targets. */
  readonly crossWords?: PerWord<StepRange>;
  /** When the targets take the source's self-attention (the authors' `self_replace_steps`). */
  readonly self?: StepRange;
  /**
   * The side of the largest grid whose self-attention is injected, such as 32 (default: a quarter of the latents', but
   * at least 16).
   */
  readonly selfSize?: number;
  /**
   * When words that both prompts share keep the source's keys and values ({@link contextInjection}); never in the
   * paper.
   */
  readonly context?: StepRange;
  /**
   * The same for the tokens of some words of the targets. A word after a new one keeps its own unless it is listed
   * here.
   */
  readonly contextWords?: PerWord<StepRange>;
  /**
   * Factors for words of the targets, applied while their attention is injected; for a prompt without targets, during
   * the whole run.
   */
  readonly weights?: PerWord<number>;
  /** Words whose region the edit is kept to. */
  readonly blend?: readonly WordPair[];
  /** Words whose region is kept out of the edit. */
  readonly blendMinus?: readonly WordPair[];
  /**
   * How much attention these words must get at a place for it to belong to the region
   * ({@link LocalBlendOptions.threshold}).
   */
  readonly blendThreshold?: number;
  /** Where the targets may change, at the picture's size (default: anywhere). */
  readonly mask?: Mask;
  /**
   * Whether the edit stays within both the mask and the words' region (`within`, the default), or in either (`union`).
   */
  readonly maskMode?: MaskMode;
  /** Called after each step with the region of the blend's words ({@link LocalBlendOptions.onRegion}). */
  readonly onRegion?: LocalBlendOptions['onRegion'];
  /** The alignment to use for all targets (default: chosen for each, {@link editKind}). */
  readonly edit?: 'replace' | 'refine';
  /** Which source tokens the words after a swap take (default: `corrected`). */
  readonly alignment?: ReplacementRule;
}

/** The method as one controller, with how it read the prompts. */
export interface PromptToPrompt extends AttentionController {
  readonly prompts: readonly TokenizedPrompt[];
  /** For each target, whether words were swapped, added or removed, or left unchanged. */
  readonly edits: readonly EditKind[];
  /** For each target, which source tokens its tokens take their attention from; see {@link alignedTokens}. */
  readonly alignments: readonly Alignment[];
}

/**
 * The whole method: cross- and self-attention injection, re-weighting and local blend, in the authors' order, and
 * context injection, which is not in the paper.
 *
 * @throws TypeError if the prompts are not an array of texts; Error if a word is in none of the prompts it could be in, or
 *   words do not align; the error names them
 */
export function promptToPrompt(options: PromptToPromptOptions): PromptToPrompt {
  const {
    tokenizer,
    shares = AUTHORS_SHARES,
    crossWords = {},
    selfSize,
    contextWords = {},
    weights,
    blend,
    blendMinus,
    blendThreshold,
    mask,
    maskMode = 'within',
    onRegion,
    edit,
    alignment,
  } = options;
  expectTexts(options.prompts);
  const prompts = options.prompts.map((prompt) => tokenizer.tokenize(prompt));
  const [source, ...targets] = prompts;
  if (!source) throw new Error('Prompt-to-Prompt needs a prompt.');
  if (targets.length === 0) {
    if (blend?.length || blendMinus?.length || mask)
      throw new Error('Local blend and masks keep an edit to a region: they need a target prompt.');
    return {
      ...compose(...(weights ? [attentionReweight({ prompts, weights })] : [])),
      prompts,
      edits: [],
      alignments: [],
    };
  }

  for (const [word] of [...perWord(crossWords), ...perWord(contextWords)]) tokensInEach(targets, word, source);
  const edits = targets.map((target) => kindOf(editKind(source, target, shares.describing), edit));
  const alignments = targets.map((target, i) =>
    edits[i] === 'refine' ? refinement(source, target) : replacement(source, target, alignment),
  );
  const rangesOf = (name: keyof Shares): StepRange[] => edits.map((kind) => options[name] ?? shares[kind][name]);
  const during = { targets: rangesOf('cross'), words: crossWords };
  const controllers = [
    contextInjection({
      source,
      targets,
      alignments,
      during: { targets: rangesOf('context'), words: contextWords },
    }),
    crossInjection({ targets, alignments, during }),
    selfInjection({ during: { targets: rangesOf('self') }, maxSize: selfSize }),
  ];
  if (weights) controllers.push(attentionReweight({ prompts, weights, during }));
  if (blend?.length) {
    const subtract = blendMinus?.length ? byPrompt(prompts, blendMinus) : undefined;
    const also = maskMode === 'union' ? mask : undefined;
    const words = byPrompt(prompts, blend);
    controllers.push(localBlend({ prompts, words, subtract, threshold: blendThreshold, also, onRegion }));
  } else if (blendMinus?.length) {
    throw new Error(
      'A region can only be subtracted from a blend: also give the words whose region the edit is kept to.',
    );
  }
  if (mask && !(blend?.length && maskMode === 'union')) controllers.push(maskBlend(mask));
  return { ...compose(...controllers), prompts, edits, alignments };
}

/**
 * @param edit how tokens are to be aligned. Equal prompts align in one way only, and those of `redescribe` align as in
 *   `replace`
 */
function kindOf(kind: EditKind, edit?: PromptToPromptOptions['edit']): EditKind {
  return kind === 'reweight' || (kind === 'redescribe' && edit === 'replace') ? kind : (edit ?? kind);
}

/** The words of each prompt, the source's first; for a target, only those it contains. */
function byPrompt([source, ...targets]: readonly TokenizedPrompt[], pairs: readonly WordPair[]): Word[][] {
  const found = pairs.map(({ target }) => tokensInEach(targets, target, source));
  return [
    pairs.map((pair) => pair.source),
    ...targets.map((_, i) => pairs.filter((_pair, p) => found[p][i].length > 0).map(({ target }) => target)),
  ];
}
