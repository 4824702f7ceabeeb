import { Tokenizer as Encoder } from '@huggingface/tokenizers';
import { z } from 'zod';
import { problemsIn } from '../config';
import { CheckpointError } from '../errors';

/** A word, number or punctuation mark, as CLIP's pattern splits a prompt before it is split into tokens. */
export interface Piece {
  /** In lower case, as the network sees it. */
  readonly text: string;
  /** Its tokens are `ids[start]` to `ids[end - 1]`. */
  readonly start: number;
  readonly end: number;
}

/** A prompt as the text encoder takes it, with the text that its tokens stand for. */
export interface TokenizedPrompt {
  readonly text: string;
  /** Start, the prompt's tokens, end, and padding up to the tokenizer's `maxLength`. */
  readonly ids: number[];
  /** How many of them are not padding, including start and end. */
  readonly length: number;
  readonly pieces: Piece[];
  /**
   * For each of `ids`, the part of its piece's text that it stands for, [start, end). If a character's bytes are split
   * between tokens, each has the whole character. Without offsets, each token stands for its whole piece.
   */
  readonly offsets?: readonly (readonly [start: number, end: number])[];
  /** The end of the prompt that was truncated because it is too long; '' if none was. */
  readonly lost: string;
}

/** Turns prompts into tokens; {@link CLIPTokenizer} is one. */
export interface Tokenizer {
  /** The number of tokens that the text encoder takes. */
  readonly maxLength: number;
  /**
   * The words that the model was trained with, if the vocabulary consists of them: any other word is split into parts
   * that the model never read. Leave it out for a vocabulary that spells any word, such as CLIP's own.
   */
  readonly words?: readonly string[];
  tokenize(prompt: string): TokenizedPrompt;
}

/**
 * A checkpoint's tokenizer files, parsed from JSON except for `merges`. The vocabulary and merges are in `tokenizer` or
 * in separate files.
 */
export interface TokenizerFiles {
  /** Where they are, for messages. */
  readonly folder?: string;
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
  /** added_tokens.json: added words with their ids */
  readonly addedTokens?: unknown;
}

/**
 * CLIP's byte-level BPE, with the same ids as transformers' `CLIPTokenizer` (5.x). As there, the pipeline around the
 * vocabulary is CLIP's own, whatever tokenizer.json says.
 *
 * @throws CheckpointError from the constructor, naming the file, if the files are not those of a CLIP tokenizer
 */
export class CLIPTokenizer implements Tokenizer {
  readonly maxLength: number;
  readonly words?: readonly string[];
  /** The tokens that no merge makes, and so no prompt can have. There are none if all files are of one vocabulary. */
  readonly unmade: readonly string[];
  /** The highest id plus 1: the number of rows that the text encoder needs. */
  readonly size: number;
  private readonly encoder: Encoder;
  /** Matches special tokens typed in a prompt. */
  private readonly special: RegExp;
  /** Their ids, by their spelling and by its lower case. */
  private readonly specialIds: ReadonlyMap<string, number>;
  private readonly start: number;
  private readonly end: number;
  private readonly pad: number;

  constructor(files: TokenizerFiles) {
    const config = readConfig(files);
    const bpe = readVocabulary(files);
    const added = addedTokens(config, bpe);
    this.size = 1 + [...Object.values(bpe.vocab), ...added.map(({ id }) => id)].reduce((a, b) => Math.max(a, b), -1);
    this.encoder = new Encoder(clipPipeline(bpe, added), {});
    this.special = new RegExp(`(${added.map(pattern).sort(longestFirst).join('|')})`);
    this.specialIds = new Map([
      ...added.map(({ content, id }) => [content.toLowerCase(), id] as const),
      ...added.map(({ content, id }) => [content, id] as const),
    ]);
    this.words = wholeWords(bpe)?.map((id) => this.encoder.decode([id]).trim());
    this.unmade = unmadeTokens(bpe, added);
    this.maxLength = config.model_max_length;
    [this.start, this.end, this.pad] = [config.bos_token, config.eos_token, config.pad_token].map(
      ({ content }) => this.encoder.token_to_id(content)!,
    );
  }

  tokenize(prompt: string): TokenizedPrompt {
    const split = this.split(prompt);
    const ids = split.flat();
    const kept = ids.slice(0, this.maxLength - 2);
    const lost = ids.slice(kept.length);
    const padding = new Array<number>(this.maxLength - 2 - kept.length).fill(this.pad);
    const pieces = this.pieces(split, kept);
    const all = [this.start, ...kept, this.end, ...padding];
    return {
      text: prompt,
      ids: all,
      length: kept.length + 2,
      pieces,
      offsets: this.offsets(all, pieces),
      lost: lost.length > 0 ? this.encoder.decode(lost).trim() : '',
    };
  }

  /** The ids of each piece. */
  private split(prompt: string): number[][] {
    const { normalizer, pre_tokenizer, model } = this.encoder;
    const idsOf = (tokens: string[]) => tokens.map((token) => this.encoder.token_to_id(token)!);
    // Splitting by a capture group gives text and special tokens alternately. JavaScript lowercases a Σ at the end of a
    // word to ς; the reference lowercases letter by letter.
    return prompt
      .replaceAll('Σ', 'σ')
      .split(this.special)
      .flatMap((part, i) =>
        i % 2 === 1
          ? [[this.specialIds.get(part) ?? this.specialIds.get(part.toLowerCase())!]]
          : pre_tokenizer!
              .pre_tokenize(normalizer!.normalize(part))
              .map((piece: string) => idsOf(model!.encode([piece]))),
      );
  }

  private pieces(split: readonly number[][], kept: readonly number[]): Piece[] {
    const pieces: Piece[] = [];
    let at = 0;
    for (const { length } of split) {
      const ids = kept.slice(at, at + length);
      if (ids.length > 0) {
        const text = this.encoder.decode(ids, { clean_up_tokenization_spaces: false }).trim();
        pieces.push({ text, start: at + 1, end: at + ids.length + 1 });
      }
      at += length;
    }
    return pieces;
  }

  private offsets(ids: readonly number[], pieces: readonly Piece[]): [number, number][] {
    const offsets = ids.map((): [number, number] => [0, 0]);
    for (const { text, start, end } of pieces) {
      const bytes = bytePlaces(text);
      let at = 0;
      for (let token = start; token < end; token++) {
        const first = at;
        at += this.bytesOf(ids[token], text);
        offsets[token] = [bytes[first]?.[0] ?? text.length, bytes[at - 1]?.[1] ?? text.length];
      }
    }
    return offsets;
  }

  /** How many of a piece's bytes a token holds: byte-level BPE writes each byte as one letter. */
  private bytesOf(id: number, piece: string): number {
    const token = this.encoder.id_to_token(id)!;
    return token === piece ? new TextEncoder().encode(piece).length : token.replace(END_OF_WORD, '').length;
  }
}

const END_OF_WORD = /<\/w>$/;

/** For each byte of a text in UTF-8, where its character starts and ends. */
function bytePlaces(text: string): [number, number][] {
  let at = 0;
  return [...text].flatMap((character) => {
    const place: [number, number] = [at, (at += character.length)];
    return Array.from(new TextEncoder().encode(character), () => place);
  });
}

const addedToken = z.object({
  content: z.string().min(1),
  /** Matched only if no letters are next to it. */
  single_word: z.literal(false).default(false),
  /** Matched in any letter case. */
  normalized: z.boolean().default(false),
});
type AddedToken = z.output<typeof addedToken>;
type ListedToken = AddedToken & { readonly id: number };

const namedToken = z.union([z.string().transform((content) => addedToken.parse({ content })), addedToken]);
const named = (content: string) => namedToken.default(addedToken.parse({ content }));

const configSchema = z.object({
  model_max_length: z
    .int()
    .min(3)
    .max(100_000, 'must be how many tokens the text encoder takes: 77 in Stable Diffusion'),
  bos_token: named('<|startoftext|>'),
  eos_token: named('<|endoftext|>'),
  unk_token: named('<|endoftext|>'),
  pad_token: named('<|endoftext|>'),
  added_tokens_decoder: z.record(z.string(), addedToken).optional(),
});
type Config = z.output<typeof configSchema>;

const addedWord = addedToken.extend({ id: z.int().nonnegative() });
const idsByToken = z.record(z.string(), z.int().nonnegative());
const bpeSchema = z.object({
  vocab: idsByToken,
  merges: z.array(z.union([z.string(), z.array(z.string())])),
  added: z.array(addedWord).default([]),
});
type Bpe = z.output<typeof bpeSchema>;

/**
 * special_tokens_map.json takes precedence over tokenizer_config.json, unless the latter is of the newer kind that
 * lists the added tokens itself.
 */
function readConfig(files: TokenizerFiles): Config {
  const { config, specialTokens } = files;
  const older = parse(files, 'tokenizer_config.json', z.looseObject({}, 'must be there, and be a JSON object'), config);
  const winning =
    'added_tokens_decoder' in older
      ? {}
      : parse(files, 'special_tokens_map.json', z.looseObject({}), specialTokens ?? {});
  return parse(files, 'tokenizer_config.json', configSchema, { ...older, ...winning });
}

function readVocabulary(files: TokenizerFiles): Bpe {
  const bpe = readBpe(files);
  const schema = z.record(z.string().min(1), z.int().nonnegative());
  const ids = parse(files, 'added_tokens.json', schema, files.addedTokens ?? {});
  const listed = new Set(bpe.added.map(({ content }) => content));
  const more = Object.entries(ids).filter(([content]) => !listed.has(content));
  // As in transformers, they are matched in any letter case.
  return {
    ...bpe,
    added: [...bpe.added, ...more.map(([content, id]) => addedWord.parse({ content, id, normalized: true }))],
  };
}

function readBpe(files: TokenizerFiles): Bpe {
  const { tokenizer, vocab, merges } = files;
  if (tokenizer !== undefined) {
    const schema = z.object({
      added_tokens: z.unknown(),
      model: z.object({ vocab: z.unknown(), merges: z.unknown(), end_of_word_suffix: z.literal('</w>') }),
    });
    const { added_tokens: added, model } = parse(files, 'tokenizer.json', schema, tokenizer);
    return parse(files, 'tokenizer.json', bpeSchema, { ...model, added });
  }
  if (vocab === undefined || merges === undefined) {
    throw new CheckpointError(
      'The checkpoint has no tokenizer: tokenizer.json, or vocab.json and merges.txt, must be there.',
    );
  }
  const lines = merges
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line && !line.startsWith('#version'));
  return { vocab: parse(files, 'vocab.json', idsByToken, vocab), merges: lines, added: [] };
}

/** What each merge joins. */
function pairsOf({ merges }: Bpe): string[][] {
  return merges.map((pair) => (typeof pair === 'string' ? pair.split(' ') : pair));
}

/** The tokens that are neither a byte, nor added, nor made by a merge. */
function unmadeTokens(bpe: Bpe, added: readonly ListedToken[]): string[] {
  const made = new Set([...pairsOf(bpe).map((pair) => pair.join('')), ...added.map(({ content }) => content)]);
  return Object.keys(bpe.vocab).filter((token) => token.replace(END_OF_WORD, '').length > 1 && !made.has(token));
}

/**
 * The ids of the words of a vocabulary whose every merge is a step to a whole word: its makers merged until each word
 * they trained with was one token. CLIP's own also ends merges with parts of words, to spell any word with.
 */
function wholeWords(bpe: Bpe): number[] | undefined {
  const pairs = pairsOf(bpe);
  const steps = new Set(pairs.flat());
  const made = [...new Set(pairs.map((pair) => pair.join('')))];
  const words = made.filter((token) => END_OF_WORD.test(token));
  const onlyWords = words.length > 0 && made.every((token) => END_OF_WORD.test(token) || steps.has(token));
  return onlyWords ? words.flatMap((word) => bpe.vocab[word] ?? []) : undefined;
}

/** All special tokens: those listed with their ids, then those that the config names. */
function addedTokens(config: Config, { vocab, added }: Bpe): ListedToken[] {
  const listed = config.added_tokens_decoder
    ? Object.entries(config.added_tokens_decoder).map(([id, token]) => ({ ...token, id: Number(id) }))
    : added;
  // If two entries name the same token, the later one says how to match it, as in transformers.
  const named = new Map(
    [config.bos_token, config.eos_token, config.unk_token, config.pad_token].map((token) => [token.content, token]),
  );
  for (const { content } of listed) named.delete(content);
  const missing = [...named.keys()].filter((content) => !Object.hasOwn(vocab, content));
  if (missing.length > 0)
    throw new CheckpointError(
      `The tokenizer's vocabulary has no ${missing.map((content) => `"${content}"`).join(', ')}.`,
    );
  return [...listed, ...[...named.values()].map((token) => ({ ...token, id: vocab[token.content] }))];
}

/** The pattern that matches a token in a prompt. */
function pattern({ content, normalized }: AddedToken): string {
  const escaped = content.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return normalized
    ? escaped.replace(/[a-z]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`)
    : escaped;
}

const longestFirst = (a: string, b: string): number => b.length - a.length;

/** The pipeline of transformers' `CLIPTokenizer`, as a tokenizer.json. */
function clipPipeline({ vocab, merges }: Bpe, added: readonly ListedToken[]): object {
  const words = "'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\s\\p{L}\\p{N}]+";
  const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Removed', invert: true });
  return {
    added_tokens: added.map((token) => ({ ...token, special: true })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        split(`<\\|startoftext\\|>|<\\|endoftext\\|>|${words}`),
        // The reference's ByteLevel splits once more. The library's own would also split at U+FEFF, which only
        // JavaScript treats as a space.
        split(words),
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', unk_token: '<|endoftext|>', end_of_word_suffix: '</w>', vocab, merges },
  };
}

/** @param file its name, in the folder of the files */
function parse<T extends z.ZodType>({ folder }: TokenizerFiles, file: string, schema: T, json: unknown): z.output<T> {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new CheckpointError(problemsIn(parsed.error, json, folder ? `${folder}/${file}` : file));
  return parsed.data;
}
