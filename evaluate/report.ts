import { readFile, writeFile } from 'node:fs/promises';
import { type Figure, isMet } from './figures';

const [BEGIN, END] = ['<!-- figures -->', '<!-- /figures -->'];

/** The figures as a table in Markdown, a row each, the aim beside what was measured. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure, i) => {
    const { part, what, low, high, n, detail } = figure;
    const met = isMet(figure);
    return `| ${part === figures[i - 1]?.part ? '' : part} | ${what} | ${shown(figure)}${detail ? ` (${detail})` : ''} | ${number(low, figure)} – ${number(high, figure)} | ${n} | ${aim(figure)}${met === undefined ? '' : met ? ' ✓' : ' ✗'} |`;
  });
  return ['| | | measured | 95 % interval | samples | aim |', '|---|---|---|---|---|---|', ...rows].join('\n');
}

/** What a file has before and after the place of the figures, with the marks around it. @throws if it lacks them */
export async function findMarks(file: string): Promise<[before: string, after: string]> {
  const text = await readFile(file, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the figures: put the lines ${BEGIN} and ${END} where they should stand.`);
  return [text.slice(0, begin + BEGIN.length), text.slice(end)];
}

/** Puts text between the two marks of a file. @throws if it lacks them */
export async function writeBetweenMarks(file: string, text: string): Promise<void> {
  const [before, after] = await findMarks(file);
  await writeFile(file, `${before}\n\n${text}\n\n${after}`);
}

function shown(figure: Figure): string {
  const { value, unit } = figure;
  return unit === 'x' ? `${number(value, figure)}×` : `${number(value, figure)}${unit === '/255' ? '' : ' '}${unit}`;
}

function number(value: number, { unit }: Figure): string {
  return unit === '%' ? (100 * value).toFixed(1) : value.toFixed(2);
}

function aim(figure: Figure): string {
  const { aim, unit } = figure;
  if (!aim) return '';
  const [sign, bound] = 'least' in aim ? ['≥', aim.least] : ['≤', aim.most];
  return `${sign} ${unit === '%' ? `${Math.round(100 * bound)} %` : unit === 'x' ? `${bound}×` : unit === 'dB' ? `${bound} dB` : `${bound}/255`}`;
}
