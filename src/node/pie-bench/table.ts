import { existsSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import type { Measure } from './measures';

/** The measures of one edit by one editor. */
export interface Row {
  readonly id: string;
  readonly category: string;
  readonly editor: string;
  readonly values: Readonly<Record<string, number>>;
}

const KEYS = ['id', 'category', 'method'];

/** A CSV file that grows by one line per measured edit, so that an interrupted run can resume. */
export class Table {
  private constructor(
    private readonly file: string,
    private readonly names: readonly string[],
    readonly rows: Row[],
  ) {}

  /** Keeps the rows of an earlier run, unless it took other measures. */
  static async open(file: string, measures: readonly Measure[]): Promise<Table> {
    const names = measures.map(({ name }) => name);
    const head = [...KEYS, ...names].join(',');
    const [found, ...lines] = existsSync(file) ? (await readFile(file, 'utf8')).split('\n') : [];
    // A last line without a line break was not written completely.
    const rows = found === head ? lines.slice(0, -1).flatMap((line) => parse(line, names) ?? []) : [];
    await writeFile(file, [head, ...rows.map((row) => print(row, names)), ''].join('\n'));
    return new Table(file, names, rows);
  }

  find(id: string, editor: string): Row | undefined {
    return this.rows.find((row) => row.id === id && row.editor === editor);
  }

  async add(row: Row): Promise<void> {
    this.rows.push(row);
    await appendFile(this.file, `${print(row, this.names)}\n`);
  }
}

function print({ id, category, editor, values }: Row, names: readonly string[]): string {
  return [quoted(id), quoted(category), quoted(editor), ...names.map((name) => values[name])].join(',');
}

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** @returns undefined for a line that has not a cell for each column */
function parse(line: string, names: readonly string[]): Row | undefined {
  const cells = [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)].map(([, cell]) =>
    cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell,
  );
  const [id, category, editor, ...values] = cells.slice(0, -1);
  if (values.length !== names.length) return undefined;
  return { id, category, editor, values: Object.fromEntries(names.map((name, i) => [name, Number(values[i])])) };
}

/** The mean over the edits that have the measure; NaN if none has. */
export function meanOf(rows: readonly Row[], name: string): number {
  const values = rows.map((row) => row.values[name]).filter((value) => !Number.isNaN(value));
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
