/**
 * Parsers of options' text. Settings are validated by their schema afterwards; other options are validated here.
 * Parsers of repeatable options get the previous value.
 */

import { InvalidArgumentError } from 'commander';
import { FRACTION, isWhole, wholeNumber } from './numbers';

export function text(value: string): string {
  return value;
}

/** A decimal number: no hexadecimal, no `Infinity`, no spaces. */
export function number(value: string): number {
  const result = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : NaN;
  if (!Number.isFinite(result)) throw new InvalidArgumentError('Expected a number.');
  return result + 0; // -0 is 0.
}

/** A whole number of any size. */
export function integer(value: string): number | bigint {
  if (!/^[+-]?\d{1,400}$/.test(value)) throw new InvalidArgumentError('Expected a whole number.');
  const result = Number(value);
  return Number.isSafeInteger(result) ? result + 0 : BigInt(value.replace('+', ''));
}

/** A whole number from `from` to `to`. */
export function whole(from: number, to: number): (value: string) => number {
  return (value) => {
    const result = number(value);
    if (!isWhole(result, from, to)) throw new InvalidArgumentError(`${wholeNumber(from, to)}.`);
    return result;
  };
}

/** From 0 to 1. */
export function fraction(value: string): number {
  const result = number(value);
  if (!(result >= 0 && result <= 1)) throw new InvalidArgumentError(`${FRACTION}.`);
  return result;
}

/** Bytes: `6GB`, `800 MB`, `1.5GiB` */
export function size(value: string): number {
  const [, amount, unit] = /^(\d+\.?\d*|\.\d+) ?(MB|GB|MiB|GiB)$/i.exec(value) ?? [];
  const bytes = Number(amount) * { mb: 1e6, gb: 1e9, mib: 2 ** 20, gib: 2 ** 30 }[unit?.toLowerCase() as 'mb'];
  if (!(bytes >= 1 && bytes <= Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError('Expected a size such as 6GB or 800MB.');
  return bytes;
}

/** `0.8`, or a range: `0.2-0.8` */
export function share(value: string): number | [number, number] {
  const range = /^([\d.]+)-([\d.]+)$/.exec(value);
  return range ? [number(range[1]), number(range[2])] : number(value);
}

/** The parsers that get the previous value, because their options may be repeated. */
const repeatable = new WeakSet<object>();

/** Whether an option with this parser may be repeated. */
export function isRepeatable(parser: unknown): boolean {
  return typeof parser === 'function' && repeatable.has(parser);
}

/** For an option that may be repeated: a list of what is read. */
export function each<T>(read: (text: string) => T): (value: string, before?: readonly T[]) => T[] {
  const parser = (value: string, before: readonly T[] = []): T[] => [...before, read(value)];
  repeatable.add(parser);
  return parser;
}

/** For an option that may be repeated: `WORD=F`, once for each word. */
function eachWord<T>(read: (text: string) => T): (value: string, before?: Record<string, T>) => Record<string, T> {
  const parser = (value: string, before: Record<string, T> = {}): Record<string, T> => {
    const at = value.lastIndexOf('=');
    if (at < 1) throw new InvalidArgumentError('Expected WORD=F, such as snowy=0.5.');
    const word = value.slice(0, at);
    if (Object.hasOwn(before, word)) throw new InvalidArgumentError(`"${word}" has a value already: give one.`);
    return { ...before, [word]: read(value.slice(at + 1)) };
  };
  repeatable.add(parser);
  return parser;
}

export const list = each(text);

/** `WORD=F`, F a share */
export const wordShare = eachWord(share);

/** `WORD=F`, F a number */
export const wordNumber = eachWord(number);

/** `FILE:SCALE`; `FILE` alone means scale 1. A drive's colon, as in `C:\cat.safetensors`, is part of the file. */
export const lora = each((value): { file: string; scale?: number } => {
  const [, file, scale] = /^(.+):([^:/\\]*)$/s.exec(value) ?? [];
  return file === undefined ? { file: value } : { file, scale: number(scale) };
});

/** `SOURCEWORD:TARGETWORD`; `WORD` alone is the same word in both */
export const pairs = each((value): [string, string] => {
  const words = value.split(':');
  if (words.length > 2) throw new InvalidArgumentError('Expected SOURCEWORD:TARGETWORD.');
  return [words[0], words[words.length - 1]];
});

/** One of several names. */
export function choice<T extends string>(names: readonly T[]): (value: string) => T {
  return (value) => {
    const name = names.find((known) => known === value);
    if (name === undefined) throw new InvalidArgumentError(`Expected one of ${names.join(', ')}.`);
    return name;
  };
}
