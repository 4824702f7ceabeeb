/**
 * From an option's text to a value for the settings' schema, which judges it. Options that may be repeated get what
 * they gave before.
 */

import { InvalidArgumentError } from 'commander';

export function text(value: string): string {
  return value;
}

export function number(value: string): number {
  const result = value.trim() === '' ? NaN : Number(value);
  if (!Number.isFinite(result)) throw new InvalidArgumentError(`Expected a number.`);
  return result;
}

/** Bytes: `6GB`, `800 MB`, `1.5GiB` */
export function size(value: string): number {
  const [, amount, unit] = /^([\d.]+) ?(MB|GB|MiB|GiB)$/i.exec(value.trim()) ?? [];
  const bytes = Number(amount) * { mb: 1e6, gb: 1e9, mib: 2 ** 20, gib: 2 ** 30 }[unit?.toLowerCase() as 'mb'];
  if (!(bytes > 0)) throw new InvalidArgumentError('Expected a size such as 6GB or 800MB.');
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
