import type * as tf from '@tensorflow/tfjs';
import { outsideOfSteps } from '../attention/attend';
import type { AttentionController, BatchRow } from '../attention/controller';
import { promptRows } from '../attention/rows';
import { listed } from '../errors';
import { allFinite, NotFiniteError } from '../finite';
import type { GuidanceRow } from '../guidance/guidance';
import type { PromptEncoder } from '../model/roles';
import { RowContexts } from '../session/contexts';
import type { SessionOptions } from '../session/options';
import { foreignSyntax } from '../text/foreignSyntax';
import type { CLIPTokenizer, TokenizedPrompt, Tokenizer } from '../text/tokenizer';
import { unknownWords } from '../text/words';

/** The most of a model's words that a warning lists. */
const MAX_WORDS = 100;

/** Converts prompts to what the UNet reads: tokenizer and text encoder. */
export class TextSide {
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly encoder: PromptEncoder,
  ) {}

  /**
   * @param controller is called at the text encoder's attention, if `text` is among its kinds
   * @param rows the row that each prompt stands for, as the controller sees it
   * @returns [prompts, tokens, features]. The caller disposes of it.
   */
  encode(
    prompts: readonly (string | TokenizedPrompt)[],
    controller?: AttentionController,
    rows: readonly BatchRow[] = promptRows(prompts.length),
  ): tf.Tensor3D {
    const ids = prompts.map((prompt) => (typeof prompt === 'string' ? this.tokenizer.tokenize(prompt) : prompt).ids);
    const grid = { height: 1, width: ids[0]?.length ?? 0 };
    return this.encoder.forward(ids, outsideOfSteps(controller, rows, grid));
  }

  /**
   * What each row of a run reads, with each distinct text encoded once.
   *
   * @param kinds the kinds of rows in the run
   * @throws RangeError if there are too few or too many negative prompts, or no guidance says what a row reads;
   *   NotFiniteError
   */
  async contexts(
    prompts: readonly string[],
    kinds: readonly GuidanceRow[],
    {
      negative,
      context,
      controller,
      onWarning = console.warn,
    }: Pick<SessionOptions, 'context' | 'controller' | 'onWarning'> & {
      readonly negative: string | readonly string[];
    },
  ): Promise<RowContexts> {
    const textOf = textsOf(prompts, negative, kinds);
    const rows: BatchRow[] = kinds.flatMap(({ role }) => prompts.map((_, prompt) => ({ prompt, role })));
    const texts = [...new Set(rows.map(textOf))];
    const tokenized = texts.map((text) => this.tokenizer.tokenize(text));
    for (const prompt of tokenized) this.warn(prompt, onWarning);
    this.warnOfWords(tokenized, onWarning);
    const firstWith = (text: string) => rows.find((row) => textOf(row) === text)!;
    const encoded = this.encode(tokenized, controller, texts.map(firstWith));
    if (!allFinite(await encoded.data())) {
      encoded.dispose();
      throw new NotFiniteError(
        'The text encoder produced numbers that are not finite: one of its weights may be too large or not finite.',
      );
    }
    return new RowContexts(encoded, (row) => texts.indexOf(textOf(row)), context);
  }

  private warn({ text, lost }: TokenizedPrompt, onWarning: (message: string) => void): void {
    const syntax = foreignSyntax(text);
    if (syntax)
      onWarning(
        `"${syntax}" in the prompt is taken literally: weights and other syntax inside a prompt have no effect. Give weights separately (--weight WORD=F, or weights: { word: f } in a script).`,
      );
    if (lost)
      onWarning(
        `The prompt is longer than the text encoder's ${this.tokenizer.maxLength} tokens. Cut off: "${lost}" of "${text}".`,
      );
  }

  /** Warns of words that the model never read, if it knows only whole words. */
  private warnOfWords(prompts: readonly TokenizedPrompt[], onWarning: (message: string) => void): void {
    const { words } = this.tokenizer;
    const unknown = words ? [...new Set(prompts.flatMap(unknownWords))] : [];
    if (!words || unknown.length === 0) return;
    const [are, them] = unknown.length === 1 ? ['is', 'it'] : ['are', 'them'];
    onWarning(
      `${listed(unknown.map((word) => `"${word}"`))} ${are} not among the words that this model was trained with: anything may come of ${them}. Its words: ${listed(words, MAX_WORDS)}.`,
    );
  }
}

/** The text of each row. @throws RangeError if there are too few or too many negative prompts */
function textsOf(
  prompts: readonly string[],
  negative: string | readonly string[],
  kinds: readonly GuidanceRow[],
): (row: BatchRow) => string {
  const negatives = typeof negative === 'string' ? prompts.map(() => negative) : negative;
  if (negatives.length !== prompts.length)
    throw new RangeError(
      `${prompts.length} prompts and ${negatives.length} negative prompts: give one for all, or one for each.`,
    );
  return ({ prompt, role }) => {
    const text = kinds.find((kind) => kind.role === role)?.text;
    if (text === undefined)
      throw new RangeError(`No guidance of this run has ${role} rows: give their text by context.`);
    if (typeof text === 'object') return text.of;
    return (text === 'negative' ? negatives : prompts)[prompt];
  };
}

/**
 * Notes on tokens that no prompt can contain: words added to a model, which are the last rows of its text encoder's
 * embedding, and tokens that the tokenizer's files do not lead to.
 */
export function wordless(
  { size, unmade }: Pick<CLIPTokenizer, 'size' | 'unmade'>,
  { config: { vocab_size: rows } }: PromptEncoder,
): string[] {
  return [
    ...(rows > size
      ? [
          `The text encoder has ${rows} tokens and the tokenizer ${size}: no prompt can use the other ${rows - size}. Words added to the model are in the tokenizer's added_tokens.json: if it is missing, get it.`,
        ]
      : []),
    ...(unmade.length > 0
      ? [
          `No merge of the tokenizer's makes ${listed(unmade)}: no prompt can use them. merges.txt may be cut short, or of another model: get it again.`,
        ]
      : []),
  ];
}
