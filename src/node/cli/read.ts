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

export function list(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** `WORD=F`, F a share */
export function wordShare(value: string, before: Record<string, number | [number, number]> = {}) {
  return { ...before, ...wordValue(value, share) };
}

/** `WORD=F`, F a number */
export function wordNumber(value: string, before: Record<string, number> = {}) {
  return { ...before, ...wordValue(value, number) };
}

/** `FILE:SCALE`; `FILE` alone means scale 1. A drive's colon, as in `C:\cat.safetensors`, is part of the file. */
export function lora(value: string, before: { file: string; scale?: number }[] = []) {
  const [, file, scale] = /^(.+):([^:/\\]*)$/s.exec(value) ?? [];
  return [...before, file === undefined ? { file: value } : { file, scale: number(scale) }];
}

/** `SOURCEWORD:TARGETWORD`; `WORD` alone is the same word in both */
export function pairs(value: string, before: [string, string][] = []): [string, string][] {
  const words = value.split(':');
  if (words.length > 2) throw new InvalidArgumentError('Expected SOURCEWORD:TARGETWORD.');
  return [...before, [words[0], words[words.length - 1]]];
}

function wordValue<T>(value: string, read: (text: string) => T): Record<string, T> {
  const at = value.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected WORD=F, such as snowy=0.5.');
  return { [value.slice(0, at)]: read(value.slice(at + 1)) };
}
