import { type Figure, isMet } from './figures';

/** The figures as a Markdown table, one row each, with the aim beside the measurement. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map((figure, i) => {
    const { part, what, low, high, n, detail } = figure;
    const met = isMet(figure);
    return `| ${part === figures[i - 1]?.part ? '' : part} | ${what} | ${shown(figure)}${detail ? ` (${detail})` : ''} | ${Number.isNaN(low) ? '–' : `${number(low, figure)} – ${number(high, figure)}`} | ${n} | ${aim(figure)}${met === undefined ? '' : met ? ' ✓' : ' ✗'} |`;
  });
  return ['| | | measured | 95 % interval | samples | aim |', '|---|---|---|---|---|---|', ...rows].join('\n');
}

function shown(figure: Figure): string {
  const { value, unit } = figure;
  return unit === 'x' ? `${number(value, figure)}×` : `${number(value, figure)}${unit === '/255' ? '' : ' '}${unit}`;
}

function number(value: number, { unit }: Figure): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '–' : '∞';
  return unit === '%' ? (100 * value).toFixed(1) : value.toFixed(2);
}

function aim(figure: Figure): string {
  const { aim, unit } = figure;
  if (!aim) return '';
  const [sign, bound] = 'least' in aim ? ['≥', aim.least] : ['≤', aim.most];
  return `${sign} ${unit === '%' ? `${Math.round(100 * bound)} %` : unit === 'x' ? `${bound}×` : unit === 'dB' ? `${bound} dB` : `${bound}/255`}`;
}
