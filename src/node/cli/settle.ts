import { AUTHORS_DEFAULTS, type Defaults } from '../../defaults';
import type { EditKind } from '../../edits/prompt-to-prompt/alignment';
import { endOf, type StepRange } from '../../edits/prompt-to-prompt/schedule';
import { mapEditKinds, type Shares, type SharesByKind } from '../../edits/prompt-to-prompt/shares';
import { type InversionName, samplerFor } from '../../inversion/names';
import type { SamplerName } from '../../sampler/schedulers';
import type { EditSettings, GenerateSettings } from './settings';

/** A run's settings with the model's defaults filled in. `fromModel` names those from the model's `p2p.json`. */
export type Settled<S extends RunSettings = RunSettings> = S & {
  readonly guidance: number;
  readonly steps: number;
  readonly sampler: SamplerName;
};

/** The settings common to all commands that make pictures. */
export type RunSettings = Omit<GenerateSettings, 'prompt'>;

const SHARES = ['cross', 'self', 'context'] as const;

/**
 * Fills in settings not given with the model's own or the authors'.
 *
 * @param inversion the inversion of a user's own picture: some methods need a particular sampler, which then uses the
 *   authors' number of steps
 */
export function settle<S extends RunSettings>(settings: S, own: Defaults, inversion?: InversionName): Settled<S> {
  const defaults = inversion ? forInversion(own, inversion) : own;
  const { guidance, steps, sampler } = defaults;
  const fromModel = (['guidance', 'steps', 'sampler'] as const).filter(
    (name) => settings[name] === undefined && defaults.stated[name] !== undefined,
  );
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return {
    guidance,
    steps,
    sampler,
    ...given,
    fromModel: [...settings.fromModel, ...fromModel],
  } as unknown as Settled<S>;
}

function forInversion(own: Defaults, inversion: InversionName): Defaults {
  const defaults = { ...own, guidance: own.pictures.guidance, stated: { ...own.stated, ...own.stated.pictures } };
  const sampler = samplerFor(inversion, defaults);
  if (sampler === defaults.sampler) return defaults;
  const { steps: _, sampler: __, ...stated } = defaults.stated;
  return { ...defaults, sampler, steps: AUTHORS_DEFAULTS.steps, stated };
}

/** What each kind of edit takes from the source: as given, else from an earlier run's file, else the model's. */
export function sharesOf({ shares, ...given }: EditSettings, defaults: Defaults): SharesByKind {
  const ofKind = (kind: EditKind): Shares => {
    const { cross, self, context } = { ...defaults.shares[kind], ...shares?.[kind] };
    return { cross: given.cross ?? cross, self: given.self ?? self, context: given.context ?? context };
  };
  return { ...mapEditKinds(ofKind), describing: defaults.shares.describing };
}

/** Like {@link settle}, for the shares of the kinds of edits in the run. */
export function settleEdit(
  settings: Settled<EditSettings>,
  defaults: Defaults,
  kinds: readonly EditKind[],
): Settled<EditSettings> {
  const open = SHARES.filter((name) => settings[name] === undefined);
  const all = sharesOf(settings, defaults);
  const used = [...new Set(kinds)];
  const fromModel = used.flatMap((kind) =>
    open
      .filter(
        (name) => settings.shares?.[kind]?.[name] === undefined && defaults.stated.shares?.[kind]?.[name] !== undefined,
      )
      .map((name) => `shares.${kind}.${name}`),
  );
  const shares = Object.fromEntries(
    used.map((kind) => [kind, Object.fromEntries(open.map((name) => [name, all[kind][name]]))]),
  );
  return { ...settings, shares, fromModel: [...settings.fromModel, ...fromModel] };
}

/** A file's settings without those that came from its model, for use with another model. */
export function withoutModels(file: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names: readonly unknown[] = Array.isArray(file.fromModel) ? file.fromModel : [];
  const copy = structuredClone(file) as Record<string, unknown>;
  for (const name of ['fromModel', ...names]) {
    const path = String(name).split('.');
    const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], copy);
    if (parent && typeof parent === 'object') Reflect.deleteProperty(parent, path[path.length - 1]);
  }
  return copy;
}

/** Of these kinds of edits' self-attention ranges, the one that ends last. */
export function lastSelf(shares: SharesByKind, kinds: readonly EditKind[]): StepRange {
  return kinds.map((kind) => shares[kind].self).reduce((a, b) => (endOf(b) > endOf(a) ? b : a), 0);
}
