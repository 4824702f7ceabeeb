/** Formats rows as aligned columns; the first row is the heading. Columns of numbers are right-aligned. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const columns = rows[0].map((_, column) => ({
    width: Math.max(...rows.map((row) => String(row[column]).length)),
    numeric: rows.slice(1).every((row) => typeof row[column] === 'number'),
  }));
  const lines = rows.map((row) =>
    row
      .map((cell, i) =>
        columns[i].numeric ? String(cell).padStart(columns[i].width) : String(cell).padEnd(columns[i].width),
      )
      .join('  ')
      .trimEnd(),
  );
  return [lines[0], columns.map(({ width }) => '-'.repeat(width)).join('  '), ...lines.slice(1)].join('\n');
}

/** `1.7 GB`: a number with at most three digits and a metric prefix. */
export function scaled(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  const power = Math.min(prefixes.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const short = value / 1000 ** power;
  return `${short < 10 && power > 0 ? short.toFixed(1) : Math.round(short)} ${prefixes[power]}${unit}`;
}

/** `12.3 s`, or `4 min 10 s` */
export function duration(seconds: number): string {
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(Math.round(seconds) / 60)} min ${Math.round(seconds) % 60} s`;
}
