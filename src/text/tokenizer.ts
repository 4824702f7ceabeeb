import { Tokenizer as Encoder } from '@huggingface/tokenizers';
import { z } from 'zod';
import { CheckpointError } from '../weights/error';

/** A word, number or mark of punctuation, as CLIP's pattern cuts a prompt before it is cut into tokens. */
export interface Piece {
  /** As the network sees it: in lower case. */
  readonly text: string;
  /** Its tokens are `ids[start]` to `ids[end - 1]`. */
  readonly start: number;
  readonly end: number;
}

export interface TokenizedPrompt {
  readonly text: string;
  /** Start, the prompt's tokens, end, and padding up to the tokenizer's `maxLength`. */
  readonly ids: number[];
  /** How many of them are not padding: start and end included. */
  readonly length: number;
  readonly pieces: Piece[];
  /** The end of a prompt that is too long, cut off; '' where nothing is lost. */
  readonly lost: string;
}

export interface Tokenizer {
  /** How many tokens the text encoder takes. */
  readonly maxLength: number;
  tokenize(prompt: string): TokenizedPrompt;
}

/** A checkpoint's tokenizer files, parsed from JSON except for `merges`. Either `tokenizer` is there, or `vocab` and `merges` are. */
export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer?: unknown;
  /** vocab.json */
  readonly vocab?: Record<string, number>;
  /** merges.txt */
  readonly merges?: string;
  /** tokenizer_config.json */
  readonly config: unknown;
  /** special_tokens_map.json */
  readonly specialTokens?: unknown;
}

/**
 * CLIP's byte-level BPE, with the ids that transformers' `CLIPTokenizer` (5.x) gives.
 *
 * @throws CheckpointError from the constructor, naming the file, if the files are not those of a CLIP tokenizer
 */
export class CLIPTokenizer implements Tokenizer {
  readonly maxLength: number;
  private readonly encoder: Encoder;
  private readonly added: ReadonlySet<string>;
  private readonly start: number;
  private readonly end: number;
  private readonly pad: number;

  constructor(files: TokenizerFiles) {
    const special = specialTokens(files);
    const pipeline = files.tokenizer === undefined ? clipPipeline(files) : parse('tokenizer.json', pipelineSchema, files.tokenizer);
    const added = addedTokens(pipeline, special);
    this.encoder = new Encoder({ ...pipeline, added_tokens: added }, {});
    this.added = new Set(added.map(({ content }) => content));
    this.maxLength = special.model_max_length;
    this.start = this.id(special.bos_token);
    this.end = this.id(special.eos_token);
    this.pad = this.id(special.pad_token);
  }

  tokenize(prompt: string): TokenizedPrompt {
    // JavaScript's lower case of a word's last Σ is ς; the reference goes letter by letter.
    const { ids, tokens } = this.encoder.encode(prompt.replaceAll('Σ', 'σ'), { add_special_tokens: false });
    const kept = ids.slice(0, this.maxLength - 2);
    const lost = ids.slice(kept.length);
    const padding = new Array<number>(this.maxLength - 2 - kept.length).fill(this.pad);
    return {
      text: prompt,
      ids: [this.start, ...kept, this.end, ...padding],
      length: kept.length + 2,
      pieces: this.pieces(kept, tokens),
      lost: lost.length > 0 ? this.encoder.decode(lost).trim() : '',
    };
  }

  private pieces(ids: readonly number[], tokens: readonly string[]): Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    ids.forEach((_, i) => {
      if (!tokens[i].endsWith(END_OF_WORD) && !this.added.has(tokens[i]) && i < ids.length - 1) return;
      const text = this.encoder.decode(ids.slice(start, i + 1), { clean_up_tokenization_spaces: false }).trim();
      pieces.push({ text, start: start + 1, end: i + 2 });
      start = i + 1;
    });
    return pieces;
  }

  private id(token: AddedToken): number {
    return this.encoder.token_to_id(token.content)!;
  }
}

/** What ends the last token of every piece. */
const END_OF_WORD = '</w>';

const addedToken = z.object({
  content: z.string(),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  single_word: z.boolean().default(false),
  normalized: z.boolean().default(false),
});
type AddedToken = z.infer<typeof addedToken>;

const namedToken = z.union([z.string().transform((content) => addedToken.parse({ content })), addedToken]);
const endOfText = addedToken.parse({ content: '<|endoftext|>' });

/** In transformers' order: of two that have the same text, the later one says how it is matched. */
const SPECIAL_TOKENS = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const;

const configSchema = z.object({
  model_max_length: z.int().min(3).max(100_000),
  bos_token: namedToken.default({ ...endOfText, content: '<|startoftext|>' }),
  eos_token: namedToken.default(endOfText),
  unk_token: namedToken.default(endOfText),
  pad_token: namedToken.default(endOfText),
  added_tokens_decoder: z.record(z.string(), addedToken.extend({ special: z.boolean().default(false) })).optional(),
});
type SpecialTokens = z.infer<typeof configSchema>;

const bpe = z.looseObject({
  vocab: z.record(z.string(), z.int().nonnegative()),
  merges: z.array(z.union([z.string(), z.array(z.string())])),
  end_of_word_suffix: z.literal(END_OF_WORD),
});
const pipelineSchema = z.looseObject({
  added_tokens: z.array(addedToken.extend({ id: z.int().nonnegative(), special: z.boolean() })).default([]),
  model: bpe,
});
type Pipeline = z.infer<typeof pipelineSchema>;

/** special_tokens_map.json wins over tokenizer_config.json, unless this is of the newer kind that lists the added tokens itself. */
function specialTokens({ config, specialTokens }: TokenizerFiles): SpecialTokens {
  const newer = typeof config === 'object' && config !== null && 'added_tokens_decoder' in config;
  const named = newer ? {} : parse('special_tokens_map.json', z.looseObject({}), specialTokens ?? {});
  return parse('tokenizer_config.json', configSchema, { ...parse('tokenizer_config.json', z.looseObject({}), config), ...named });
}

/** The special tokens, found in a prompt too where someone types them. */
function addedTokens({ added_tokens, model: { vocab } }: Pipeline, special: SpecialTokens): (AddedToken & { id: number; special: boolean })[] {
  const listed = special.added_tokens_decoder
    ? Object.entries(special.added_tokens_decoder).map(([id, token]) => ({ ...token, id: Number(id) }))
    : added_tokens;
  const named = new Map(SPECIAL_TOKENS.map((name) => [special[name].content, special[name]]));
  for (const { content } of listed) named.delete(content);
  const missing = [...named.keys()].filter((content) => !(content in vocab));
  if (missing.length > 0) throw new CheckpointError(`The tokenizer's vocabulary has no ${missing.map((content) => `"${content}"`).join(', ')}.`);
  return [...listed, ...[...named.values()].map((token) => ({ ...token, id: vocab[token.content], special: true }))];
}

/** What tokenizer.json says in later repositories: CLIP's own pipeline around the vocabulary and the merges. */
function clipPipeline({ vocab, merges }: TokenizerFiles): Pipeline {
  if (!vocab || merges === undefined) {
    throw new CheckpointError('The checkpoint has no tokenizer: tokenizer.json, or vocab.json and merges.txt, must be there.');
  }
  const pattern = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
  return {
    added_tokens: [],
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFC' }, { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' }, { type: 'Lowercase' }],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      unk_token: '<|endoftext|>',
      end_of_word_suffix: END_OF_WORD,
      vocab,
      merges: merges.split('\n').map((line) => line.trimEnd()).filter((line) => line && !line.startsWith('#version')),
    },
  };
}

function parse<T extends z.ZodType>(file: string, schema: T, json: unknown): z.infer<T> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new CheckpointError(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
