import fc from 'fast-check';
import { CLIPTokenizer, type TokenizerFiles } from '../../src/text/tokenizer';
import { tokensOf } from '../../src/text/words';
import { json, tokenizerFiles, unpacked } from './vocabularies';

interface Row {
  readonly prompt: string;
  readonly sd1: number[];
  readonly small: number[];
  readonly sd2?: number[];
}

const rows = JSON.parse(unpacked('prompts.json.gz')) as Row[];
const tokenizers = {
  sd1: new CLIPTokenizer(tokenizerFiles('sd1')),
  sd2: new CLIPTokenizer(tokenizerFiles('sd2')),
  small: new CLIPTokenizer(tokenizerFiles('small')),
};
const names = ['sd1', 'sd2', 'small'] as const;

/** What transformers makes of a prompt, cut to what the text encoder takes. */
function cut(ids: readonly number[], maxLength: number): number[] {
  return ids.length <= maxLength ? [...ids] : [...ids.slice(0, maxLength - 1), ids[ids.length - 1]];
}

describe("ids are those of transformers' CLIPTokenizer", () => {
  test.each(names)('%s: 5,000 prompts', (name) => {
    const tokenizer = tokenizers[name];
    const different = rows.flatMap((row) => {
      const { ids, length } = tokenizer.tokenize(row.prompt);
      const [actual, expected] = [ids.slice(0, length), cut(row[name] ?? row.sd1, tokenizer.maxLength)].map(String);
      return actual === expected ? [] : [{ prompt: row.prompt, actual, expected }];
    });
    expect(rows).toHaveLength(5000);
    expect(different).toEqual([]);
  });

  test.each(names)('%s: cut and padded to the length of its config', (name) => {
    for (const { prompt, ...expected } of json('padded.json') as (Row & { sd2: number[] })[]) {
      expect(tokenizers[name].tokenize(prompt).ids).toEqual(expected[name]);
    }
  });
});

describe('a prompt', () => {
  const { tokenize } = { tokenize: (prompt: string) => tokenizers.sd1.tokenize(prompt) };
  const texts = (prompt: string) => tokenize(prompt).pieces.map(({ text }) => text);

  test('falls into pieces: words, digits, marks of punctuation, in lower case', () => {
    expect(texts("A cat's  2nd bicycle, isn't\nit?!")).toEqual([
      'a',
      'cat',
      "'s",
      '2',
      'nd',
      'bicycle',
      ',',
      'isn',
      "'t",
      'it',
      '?!',
    ]);
    expect(texts('自転車 Straße 👍🏽 naïve')).toEqual(['自転車', 'straße', '👍🏽', 'naïve']);
    expect(texts('')).toEqual([]);
  });

  test('says which tokens a piece is made of', () => {
    const { ids, pieces, length } = tokenize('a motorcyclist rides.');
    expect(pieces).toEqual([
      { text: 'a', start: 1, end: 2 },
      { text: 'motorcyclist', start: 2, end: 4 },
      { text: 'rides', start: 4, end: 5 },
      { text: '.', start: 5, end: 6 },
    ]);
    expect(length).toBe(7);
    expect(ids[length - 1]).toBe(49407);
  });

  test('has special tokens in it where someone types them', () => {
    expect(tokenize('a <|endoftext|>b').pieces).toEqual([
      { text: 'a', start: 1, end: 2 },
      { text: '<|endoftext|>', start: 2, end: 3 },
      { text: 'b', start: 3, end: 4 },
    ]);
  });

  test('that fits has lost nothing, and one that does not says what', () => {
    const words = (count: number) => Array.from({ length: count }, (_, i) => (i % 2 ? 'cat' : 'dog,')).join(' ');
    expect(tokenize(words(50))).toMatchObject({ lost: '', length: 77 });
    const long = tokenize(`${words(50)} and A Bicycle. Café`);
    expect(long.lost).toBe('and a bicycle. café');
    expect(long.length).toBe(77);
    expect(long.ids).toEqual(tokenize(words(50)).ids);
  });

  test('whose last word is cut in two keeps the part that is left', () => {
    const { pieces, lost } = tokenize(`${'cat '.repeat(74)}motorcyclist`);
    expect(pieces[74]).toEqual({ text: 'motor', start: 75, end: 76 });
    expect(lost).toBe('cyclist');
  });

  test.each(names)('is covered by its pieces: %s', (name) => {
    const tokenizer = tokenizers[name];
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (prompt) => {
        const { ids, length, pieces, lost } = tokenizer.tokenize(prompt);
        expect(ids).toHaveLength(tokenizer.maxLength);
        expect([1, ...pieces.map(({ end }) => end)]).toEqual([...pieces.map(({ start }) => start), length - 1]);
        const words = prompt
          .normalize('NFC')
          .replaceAll('Σ', 'σ')
          .toLowerCase()
          .replace(/\p{White_Space}/gu, '');
        if (!lost) expect(pieces.map(({ text }) => text).join('')).toBe(words);
      }),
      { numRuns: 300 },
    );
  });
});

describe('tokenizer files', () => {
  const files = tokenizerFiles('small');
  const prompt = 'a cat riding a bicycle!';
  const { ids } = tokenizers.small.tokenize(prompt);

  /** tokenizer.json as later repositories have it. */
  const tokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 667,
        content: '<|startoftext|>',
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
      {
        id: 668,
        content: '<|endoftext|>',
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
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
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['<|endoftext|>', 668],
      cls: ['<|startoftext|>', 667],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<|endoftext|>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: files.vocab,
      merges: files.merges!.trim().split('\n').slice(1),
    },
  };

  const create = (change: Partial<TokenizerFiles>) => new CLIPTokenizer({ ...files, ...change });
  const config = files.config as Record<string, unknown>;

  test('may be a tokenizer.json', () => {
    const tokenizer = new CLIPTokenizer({ tokenizer: tokenizerJson, config: { ...config, pad_token: '!' } });
    expect(tokenizer.tokenize('a cat').ids.slice(2)).toContain(files.vocab!['!']);
    expect(new CLIPTokenizer({ tokenizer: tokenizerJson, config }).tokenize(prompt)).toEqual(
      tokenizers.small.tokenize(prompt),
    );
  });

  test('may list their added tokens, with more than the usual ones', () => {
    const usual = { lstrip: false, normalized: false, rstrip: false, single_word: false, special: true };
    const tokenizer = create({
      config: {
        ...config,
        added_tokens_decoder: {
          667: { ...usual, content: '<|startoftext|>' },
          668: { ...usual, content: '<|endoftext|>' },
          669: { ...usual, content: '<toy>' },
        },
      },
    });
    expect(tokenizer.tokenize('a <toy> cat').pieces.map(({ text }) => text)).toEqual(['a', '<toy>', 'cat']);
    expect(tokenizer.tokenize('a <toy> cat').ids[2]).toBe(669);
    expect(tokenizer.tokenize(prompt).ids).toEqual(ids);
  });

  test.each([
    ['vocab.json', {}],
    ['tokenizer.json', { tokenizer: tokenizerJson }],
  ])('beside %s may have added_tokens.json, whose words are found as transformers finds them', (_, change) => {
    const tokenizer = create({ ...change, addedTokens: { '<sks>': 669, Zorg: 670 } });
    const idsOf = (prompt: string) => {
      const { ids, length } = tokenizer.tokenize(prompt);
      return ids.slice(0, length);
    };
    expect(tokenizer.size).toBe(671);
    expect(idsOf('a <sks> cat')).toEqual([667, 320, 669, 529, 668]);
    expect(idsOf('a<SKS>cat')).toEqual([667, 320, 669, 529, 668]);
    expect(idsOf('a ZORG on')).toEqual([667, 320, 670, 516, 668]);
    expect(idsOf('a Zorgon')).toEqual([667, 320, 670, 516, 668]);
    expect(tokenizer.tokenize('a <sks> cat').pieces.map(({ text }) => text)).toEqual(['a', '<sks>', 'cat']);
    expect(tokensOf(tokenizer.tokenize('a <sks> cat'), '<sks>')).toEqual([2]);
    expect(create(change).size).toBe(669);
  });

  test('have tokens that no merge makes if merges.txt is cut short', () => {
    expect(names.map((name) => tokenizers[name].unmade)).toEqual([[], [], []]);
    expect(create({ addedTokens: { '<sks>': 669 } }).unmade).toEqual([]);
    const { merges } = files;
    expect(create({ merges: merges!.slice(0, merges!.lastIndexOf('n e\n')) }).unmade).toEqual([
      'ne',
      'nex',
      'next</w>',
    ]);
  });

  test('are named with their folder and the key, in one line', () => {
    expect(() => create({ folder: 'model/tokenizer', config: { ...config, model_max_length: 2 } })).toThrow(
      /^model\/tokenizer\/tokenizer_config\.json: model_max_length is 2: Too small: expected number to be >=3$/,
    );
  });

  test('say in special_tokens_map.json what wins over tokenizer_config.json', () => {
    const pad = (tokenizer: CLIPTokenizer) => tokenizer.tokenize('').ids.at(-1);
    expect(pad(create({ config: { ...config, pad_token: '?' } }))).toBe(files.vocab!['<|endoftext|>']);
    expect(pad(create({ config: { ...config, pad_token: '?' }, specialTokens: undefined }))).toBe(files.vocab!['?']);
  });

  test.each<[string, string, Partial<TokenizerFiles>]>([
    ['no vocabulary', 'vocab.json and merges.txt', { vocab: undefined }],
    ['no merges', 'vocab.json and merges.txt', { merges: undefined }],
    ['no config', 'tokenizer_config.json', { config: undefined }],
    ['no length', 'model_max_length', { config: { ...config, model_max_length: undefined } }],
    ['a length that is none', 'model_max_length', { config: { ...config, model_max_length: 1e30 } }],
    ['a pad token that the vocabulary lacks', '"[PAD]"', { specialTokens: { pad_token: '[PAD]' } }],
    ['a special token that is none', 'bos_token', { specialTokens: { bos_token: 3 } }],
    ['added tokens that have no ids', 'added_tokens.json', { addedTokens: { '<sks>': '669' } }],
    ['a tokenizer.json of another kind', 'tokenizer.json', { tokenizer: { model: { type: 'WordPiece', vocab: {} } } }],
  ])('with %s are refused: %s', (_, message, change) => {
    expect(() => create(change)).toThrow(message);
  });
});
