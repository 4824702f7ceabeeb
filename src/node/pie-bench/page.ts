import type { BenchEdit } from './bench';
import type { Measure, Measures } from './measures';
import { meanOf, type Row, type Table } from './table';

/** The measures' names in the benchmark's table; an arrow shows which direction is better. */
const TITLES: Readonly<Record<string, string>> = {
  structure_distance: 'Structure ↓',
  psnr_unedit_part: 'PSNR ↑',
  lpips_unedit_part: 'LPIPS ↓',
  mse_unedit_part: 'MSE ↓',
  ssim_unedit_part: 'SSIM ↑',
  clip_similarity_source_image: 'CLIP, source',
  clip_similarity_target_image: 'CLIP, whole ↑',
  clip_similarity_target_image_edit_part: 'CLIP, edited ↑',
};

/** The path of a picture, relative to the report. */
export const pictureFile = (editor: string, { path }: Pick<BenchEdit, 'path'>): string =>
  `${editor}/${path.replace(/\.[^./]*$/, '')}.png`;

/** The folder of the source pictures. */
export const SOURCE = 'source';

/**
 * The report as HTML: means for each editor, and every edit with its pictures and measures. It needs no files except
 * the pictures.
 */
export function reportPage(
  edits: readonly BenchEdit[],
  editors: readonly string[],
  table: Table,
  { measures, missing }: Pick<Measures, 'measures' | 'missing'>,
): string {
  const means = editors.map((editor) => {
    const rows = table.rows.filter((row) => row.editor === editor);
    const cells = measures.map((measure) => `<td>${shown(meanOf(rows, measure.name), measure)}</td>`);
    return `<tr><th>${escaped(editor)}</th>${cells.join('')}<td>${rows.length}</td></tr>`;
  });
  const heads = measures.map(({ name, scale }) => `<th>${TITLES[name]}${scale === 1 ? '' : ` ×${scale}`}</th>`);
  const lacking = missing.map(({ names, needs }) => {
    const titles = names.map((name) => TITLES[name].replace(/ .$/, '')).join('; ');
    return `<li>${escaped(titles)}: needs ${escaped(needs)}</li>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>PIE-Bench</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .8rem; text-align: right; }
th:first-child { text-align: left; }
section { border-top: 1px solid #ccc; margin-top: 1.5rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 14rem; }
img { image-rendering: auto; width: 100%; }
figcaption { font-size: 12px; }
</style>
<h1>PIE-Bench</h1>
<p>${edits.length} edits. Measured outside the edited region, except for structure and CLIP.</p>
<table><tr><th>Method</th>${heads.join('')}<th>Edits</th></tr>
${means.join('\n')}
</table>
${lacking.length > 0 ? `<p>Not measured:</p><ul>${lacking.join('')}</ul>` : ''}
${edits.map((edit) => section(edit, editors, table, measures)).join('\n')}
</html>
`;
}

function section(edit: BenchEdit, editors: readonly string[], table: Table, measures: readonly Measure[]): string {
  const figures = editors.map((editor) => {
    const row = table.find(edit.id, editor);
    return row ? figure(pictureFile(editor, edit), [editor, ...captions(row, measures)]) : '';
  });
  return `<section><h2>${escaped(edit.id)}</h2>
<p>${escaped(edit.source)} → ${escaped(edit.target)}</p>
<div class="pictures">${figure(pictureFile(SOURCE, edit), ['source'])}${figures.join('')}</div></section>`;
}

const captions = (row: Row, measures: readonly Measure[]): string[] =>
  measures.map((measure) => `${TITLES[measure.name]} ${shown(row.values[measure.name], measure)}`);

function figure(file: string, lines: readonly string[]): string {
  const caption = lines.map(escaped).join('<br>');
  return `<figure><img src="${escaped(encodeURI(file))}" alt="${escaped(lines[0])}"><figcaption>${caption}</figcaption></figure>`;
}

const shown = (value: number, { scale }: Measure): string =>
  Number.isNaN(value) ? '–' : value === Infinity ? '∞' : (value * scale).toFixed(2);

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!);
