/** What happens to one word of the prompt. */
export interface Slot {
  /** The source's word; undefined if the word is added. */
  readonly source?: string;
  /** The target's word; undefined if it is left out. */
  readonly target?: string;
}

export type SlotKind = 'kept' | 'swapped' | 'added' | 'left out';

export function kindOf({ source, target }: Slot): SlotKind {
  if (source === undefined) return 'added';
  if (target === undefined) return 'left out';
  return source === target ? 'kept' : 'swapped';
}

export function wordsOf(prompt: string): string[] {
  return prompt.split(/\s+/).filter((word) => word !== '');
}

/** Pairs the words of two prompts: those that stay and, between them, those swapped, added or left out. */
export function slotsOf(source: string, target: string): Slot[] {
  const [a, b] = [wordsOf(source), wordsOf(target)];
  const common = longestCommon(a, b);
  const slots: Slot[] = [];
  let [i, j] = [0, 0];
  for (const [nextI, nextJ] of [...common, [a.length, b.length]]) {
    while (i < nextI || j < nextJ)
      slots.push({ source: i < nextI ? a[i++] : undefined, target: j < nextJ ? b[j++] : undefined });
    if (i < a.length && j < b.length) slots.push({ source: a[i++], target: b[j++] });
  }
  return slots;
}

/** A longest common subsequence of the words, as pairs of positions. */
function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  const lengths = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i][j] = same(a[i], b[j]) ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (same(a[i], b[j])) pairs.push([i++, j++]);
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else j++;
  }
  return pairs;
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

export function targetOf(slots: readonly Slot[]): string {
  return slots.flatMap(({ target }) => target ?? []).join(' ');
}

/** Applies the same edit to another source: kept words follow the source; swaps, additions and removals stay. */
export function rebased(source: string, target: string, newSource: string): string {
  const slots = slotsOf(source, target);
  const result: string[] = [];
  let at = 0;
  const added = (): void => {
    while (at < slots.length && slots[at].source === undefined) result.push(slots[at++].target!);
  };
  for (const { source: before, target: after } of slotsOf(source, newSource)) {
    if (before === undefined) {
      result.push(after!);
      continue;
    }
    added();
    const slot = slots[at++];
    const edited = kindOf(slot) === 'kept' ? after : slot.target;
    if (after !== undefined && edited !== undefined) result.push(edited);
  }
  added();
  return result.join(' ');
}

/** The library's name for the word at a position: `cat`, or `cat#2` if the prompt has it more than once. */
export function wordAt(words: readonly string[], index: number): string {
  const plain = words.map((word) => word.toLowerCase().replace(/[^\p{L}\p{N}]+$/u, ''));
  const places = plain.flatMap((word, i) => (word === plain[index] ? [i] : []));
  return places.length > 1 ? `${plain[index]}#${places.indexOf(index) + 1}` : plain[index];
}
