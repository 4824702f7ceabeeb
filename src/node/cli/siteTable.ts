import type { SiteAtGrid } from '../../model/cost';
import { table } from './text';

/** One line per site, with a column for whether it is averaged if that is known. */
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
