import type { Role } from '../attention/controller';
import { classifierFree } from './classifierFree';
import type { Guidance, GuidanceCall, GuidanceRow, Predictions } from './guidance';

/** A number stands for {@link classifierFree}; several guidances are applied one after the other. */
export type GuidanceOption = number | Guidance | readonly Guidance[];

/** @throws RangeError if two guidances mean different rows by one role */
export function guidancesOf(option: GuidanceOption): readonly Guidance[] {
  const guidances = typeof option === 'number' ? [classifierFree(option)] : [option].flat();
  rolesOf(guidances);
  return guidances;
}

/**
 * The kinds of rows in a batch, in order: the unconditional ones if there are any, the conditional, then others.
 *
 * @throws RangeError if two guidances mean different rows by one role
 */
export function rolesOf(guidances: readonly Guidance[]): readonly GuidanceRow[] {
  const kinds = new Map<Role, GuidanceRow>([['conditional', { role: 'conditional', text: 'prompt' }]]);
  for (const { name, rows } of guidances) {
    for (const kind of rows) {
      const known = kinds.get(kind.role);
      if (known && JSON.stringify(known.text) !== JSON.stringify(kind.text))
        throw new RangeError(
          `The guidance ${name} wants ${kind.role} rows that read ${JSON.stringify(kind.text)}; others by that role read ${JSON.stringify(known.text)}. Give them a role of their own.`,
        );
      kinds.set(kind.role, known ?? kind);
    }
  }
  const all = [...kinds.values()];
  const isFirst = ({ role }: GuidanceRow): boolean => role === 'unconditional';
  return [...all.filter(isFirst), ...all.filter((kind) => !isFirst(kind))];
}

/** What all of them make of the predictions, one after the other. @returns [prompts, height, width, channels] */
export function guide(guidances: readonly Guidance[], predictions: Predictions, call: GuidanceCall) {
  return guidances.reduce(
    (prediction, guidance) => guidance.guide(prediction, predictions, call),
    predictions.conditional,
  );
}
