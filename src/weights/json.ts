/**
 * Reads JSON as strictly as the reference safetensors reader (Rust's serde_json), keeping what `JSON.parse` hides:
 * repeated keys, whether a number was written as an integer, and integers beyond 2 ** 53.
 */

export type Json = null | boolean | string | number | bigint | Json[] | JsonObject;

/** An object's entries as written, including repeated keys. */
export class JsonObject {
  constructor(readonly entries: readonly (readonly [string, Json])[]) {}
}

/** The deepest nesting of arrays and objects allowed, as in serde_json. */
const MAX_DEPTH = 127;
const MAX_UNSIGNED = 2n ** 64n - 1n;
const MAX_DIGITS = String(MAX_UNSIGNED).length;

/**
 * @returns the value; a number written as an integer from 0 to 2 ** 64 - 1 is a bigint, any other is a number
 * @throws SyntaxError for anything that is not JSON, and for lone surrogates, numbers that overflow a double and more
 *   than 127 levels
 */
export function parseJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  private at = 0;

  constructor(private readonly text: string) {}

  value(depth: number): Json {
    switch (this.peek()) {
      case '{':
        return this.object(depth + 1);
      case '[':
        return this.array(depth + 1);
      case '"':
        return this.string();
      case 't':
        return this.word('true', true);
      case 'f':
        return this.word('false', false);
      case 'n':
        return this.word('null', null);
      default:
        return this.number();
    }
  }

  end(): void {
    if (this.peek() !== '') this.fail('something follows the value');
  }

  private object(depth: number): JsonObject {
    const entries: [string, Json][] = [];
    this.list(depth, '}', () => {
      if (this.peek() !== '"') this.fail('a key in quotes is expected');
      const key = this.string();
      if (this.peek() !== ':') this.fail('":" is expected');
      this.at++;
      entries.push([key, this.value(depth)]);
    });
    return new JsonObject(entries);
  }

  private array(depth: number): Json[] {
    const items: Json[] = [];
    this.list(depth, ']', () => items.push(this.value(depth)));
    return items;
  }

  /** Reads from the opening bracket to the closing one; `item` reads what is between the commas. */
  private list(depth: number, close: string, item: () => void): void {
    if (depth > MAX_DEPTH) this.fail(`more than ${MAX_DEPTH} levels`);
    this.at++;
    if (this.peek() === close) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      const next = this.peek();
      this.at++;
      if (next === close) return;
      if (next !== ',') this.fail(`"," or "${close}" is expected`);
    }
  }

  private string(): string {
    const start = this.at;
    let end = start;
    do {
      end = this.text.indexOf('"', end + 1);
      if (end < 0) this.fail('a string is not closed');
    } while (this.isEscaped(end));
    this.at = end + 1;
    const raw = this.text.slice(start + 1, end);
    if (PLAIN.test(raw)) return raw;
    const value = this.unescape(`"${raw}"`);
    if (LONE_SURROGATE.test(value)) this.fail('a lone surrogate');
    return value;
  }

  /** Whether an odd number of backslashes precedes this position. */
  private isEscaped(at: number): boolean {
    let slash = at;
    while (this.text[slash - 1] === '\\') slash--;
    return (at - slash) % 2 === 1;
  }

  private unescape(token: string): string {
    try {
      return JSON.parse(token) as string;
    } catch {
      return this.fail('a string has a control character or a wrong escape in it');
    }
  }

  private number(): number | bigint {
    const [token, sign, fraction, exponent] = this.match(NUMBER) ?? this.fail('a value is expected');
    if (!sign && !fraction && !exponent && token.length <= MAX_DIGITS) {
      const integer = BigInt(token);
      if (integer <= MAX_UNSIGNED) return integer;
    }
    const value = Number(token);
    if (!Number.isFinite(value)) this.fail('a number is out of range');
    return value;
  }

  private word<T extends Json>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail('a value is expected');
    this.at += word.length;
    return value;
  }

  /** The next character after white space; '' at the end. */
  private peek(): string {
    for (;;) {
      const next = this.text.charAt(this.at);
      if (next !== ' ' && next !== '\n' && next !== '\r' && next !== '\t') return next;
      this.at++;
    }
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  private fail(reason: string): never {
    throw new SyntaxError(`${reason} (at character ${this.at})`);
  }
}

/** Printable ASCII without quotes and backslashes, which needs no unescaping: nearly every string in a header. */
const PLAIN = /^[ !#-[\]-~]*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const NUMBER = /(-)?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
