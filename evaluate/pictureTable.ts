import { INVERSIONS } from '../src/inversion/names';
import type { Sample } from './experiment';
import { AUTOENCODER, GENERATED, MEASURES, TRUTH } from './pictures';
import { mean } from './statistics';

const COLUMNS: Readonly<Record<(typeof MEASURES)[number], { head: string; show(value: number): string }>> = {
  reconstruction: { head: 'reconstruction, dB', show: (value) => value.toFixed(1) },
  outside: { head: 'change outside the true edit, of 255', show: (value) => value.toFixed(1) },
  beside: { head: 'change beside things, of 255', show: (value) => value.toFixed(1) },
  recognised: { head: 'recognised', show: (value) => `${(100 * value).toFixed(0)} %` },
  distance: { head: 'likeness to the true edit, dB', show: (value) => value.toFixed(1) },
  rows: { head: "UNet's rows", show: (value) => value.toFixed(0) },
  seconds: { head: 'seconds', show: (value) => value.toFixed(1) },
};

/** The means of the experiment `pictures` as a Markdown table, one line per method. */
export function pictureTable(samples: readonly Sample[]): string {
  const valuesOf = (name: string, measure: string): number[] =>
    samples.filter(({ figure }) => figure === `${name}.${measure}`).map(({ values }) => values[0]);
  const lines = [AUTOENCODER, TRUTH, GENERATED, ...INVERSIONS].map((name) => {
    const cells = MEASURES.map((measure) => {
      const values = valuesOf(name, measure);
      return values.length === 0 ? '' : COLUMNS[measure].show(mean(values));
    });
    const count = Math.max(...MEASURES.map((measure) => valuesOf(name, measure).length));
    return `| ${[name, ...cells, count].join(' | ')} |`;
  });
  const heads = ['', ...MEASURES.map((measure) => COLUMNS[measure].head), 'pictures'];
  return [`| ${heads.join(' | ')} |`, `|${'---|'.repeat(heads.length)}`, ...lines].join('\n');
}
