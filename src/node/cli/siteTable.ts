import type { SiteAtGrid } from '../../model/cost';
import { table } from './text';

/** One line a site; where it is known which of them are averaged, with a column that says so. */
export function siteTable(sites: readonly (SiteAtGrid & { readonly averaged?: boolean })[]): string {
  const known = sites.some(({ averaged }) => averaged !== undefined);
  const rows = sites.map(({ path, kind, place, grid, heads, headSize, averaged }) => [
    path,
    kind,
    place,
    `${grid.height}x${grid.width}`,
    heads,
    headSize,
    ...(known ? [averaged ? 'yes' : ''] : []),
  ]);
  return table([['site', 'kind', 'place', 'grid', 'heads', 'head size', ...(known ? ['averaged'] : [])], ...rows]);
}
