import { compose } from './compose';
import type { AttentionCall, AttentionController, AttentionKind, Grid, Place } from './controller';
import { queriesOf } from './grids';

/** Calls that have all of what is named here, or for which a function says yes. */
export type Where =
  | ((call: AttentionCall) => boolean)
  | {
      readonly kind?: AttentionKind;
      readonly place?: Place;
      /** The layer's checkpoint path, or a place above it (`up_blocks.1`), or a pattern. */
      readonly path?: string | RegExp;
      readonly grid?: Grid;
      /** The largest grid, in queries. */
      readonly maxQueries?: number;
    };

/** A controller that is asked only at the calls chosen. */
export function select(where: Where, controller: AttentionController): AttentionController {
  return { ...compose(controller), wants: (call) => (isAt(where, call) ? controller.wants(call) : []) };
}

/** Whether a call is among those chosen. */
export function isAt(where: Where, call: AttentionCall): boolean {
  if (typeof where === 'function') return where(call);
  const { kind, place, path, grid, maxQueries } = where;
  return (
    (kind === undefined || kind === call.site.kind) &&
    (place === undefined || place === call.site.place) &&
    (path === undefined || hasPath(path, call.site.path)) &&
    (grid === undefined || (grid.height === call.grid.height && grid.width === call.grid.width)) &&
    (maxQueries === undefined || queriesOf(call.grid) <= maxQueries)
  );
}

function hasPath(wanted: string | RegExp, path: string): boolean {
  // search(), unlike test(), forgets where a global pattern matched last.
  return typeof wanted === 'string' ? `${path}.`.startsWith(`${wanted}.`) : path.search(wanted) >= 0;
}
