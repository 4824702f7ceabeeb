import type { Role } from '../attention/controller';
import type { Guidance, GuidanceCall, GuidanceRow, Predictions } from './guidance';
import { MAX_GUIDANCE } from './maxGuidance';
import { projectedAbove } from './projectedAbove';

/** A number means {@link projectedAbove} the run's `projectAbove`; several guidances are applied in order. */
export type GuidanceOption = number | Guidance | readonly Guidance[];

/** @throws RangeError if a number is not finite, or two guidances mean different rows by one role */
export function guidancesOf(option: GuidanceOption, projectAbove = MAX_GUIDANCE): readonly Guidance[] {
  const guidances = typeof option === 'number' ? [projectedAbove(projectAbove, option)] : [option].flat();
  rolesOf(guidances);
  return guidances;
}

/**
 * The kinds of rows in a batch, in order: the unconditional rows if there are any, the conditional ones, then others.
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
          `The guidance ${name} wants ${kind.role} rows that read ${JSON.stringify(kind.text)}, but others with that role read ${JSON.stringify(known.text)}. Give them a role of their own.`,
        );
      kinds.set(kind.role, known ?? kind);
    }
  }
  const all = [...kinds.values()];
  const isFirst = ({ role }: GuidanceRow): boolean => role === 'unconditional';
  return [...all.filter(isFirst), ...all.filter((kind) => !isFirst(kind))];
}

/** Applies all the guidances in order. @returns [prompts, height, width, channels] */
export function guide(guidances: readonly Guidance[], predictions: Predictions, call: GuidanceCall) {
  return guidances.reduce(
    (prediction, guidance) => guidance.guide(prediction, predictions, call),
    predictions.conditional,
  );
}
