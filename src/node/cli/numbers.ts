/** The number ranges of options and settings, and the messages for values outside them. */

export const FRACTION = 'Expected a fraction from 0 to 1';

export const wholeNumber = (from: number, to: number): string => `Expected a whole number from ${from} to ${to}`;

export function isWhole(value: number, from: number, to: number): boolean {
  return Number.isSafeInteger(value) && value >= from && value <= to;
}
