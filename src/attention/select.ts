import { compose } from './compose';
import type {
  AttentionCall,
  AttentionController,
  AttentionKind,
  FeatureCall,
  FeatureKind,
  Grid,
  Place,
} from './controller';
import { isWithin } from './grids';

/** A call for attention or for features. */
export type SiteCall = AttentionCall | FeatureCall;

/** Which calls: those that match everything given here, or those for which a function returns true. */
export type Where =
  | ((call: SiteCall) => boolean)
  | {
      readonly kind?: AttentionKind | FeatureKind;
      readonly place?: Place;
      /** The layer's checkpoint path, the path of a module that contains it (`up_blocks.1`), or a pattern. */
      readonly path?: string | RegExp;
      readonly grid?: Grid;
      /** The side of the largest grid, such as 32: grids of at most 32 x 32 places. */
      readonly maxSize?: number;
    };

/** Restricts a controller to the chosen calls, of attention and of features. */
export function select(where: Where, controller: AttentionController): AttentionController {
  const whole = compose(controller);
  return {
    ...whole,
    wants: (call) => (isAt(where, call) ? whole.wants(call) : []),
    wantsFeatures: (call) => isAt(where, call) && whole.wantsFeatures(call),
  };
}

/** Whether a call is one of those chosen. */
export function isAt(where: Where, call: SiteCall): boolean {
  if (typeof where === 'function') return where(call);
  const { kind, place, path, grid, maxSize } = where;
  return (
    (kind === undefined || kind === call.site.kind) &&
    (place === undefined || place === call.site.place) &&
    (path === undefined || hasPath(path, call.site.path)) &&
    (grid === undefined || (grid.height === call.grid.height && grid.width === call.grid.width)) &&
    (maxSize === undefined || isWithin(call, maxSize))
  );
}

function hasPath(wanted: string | RegExp, path: string): boolean {
  // search(), unlike test(), ignores where a global pattern last matched.
  return typeof wanted === 'string' ? `${path}.`.startsWith(`${wanted}.`) : path.search(wanted) >= 0;
}
