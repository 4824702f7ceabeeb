import { AUTHORS_DEFAULTS, type Defaults } from '../../defaults';
import type { EditKind } from '../../edits/prompt-to-prompt/alignment';
import { endOf, type StepRange } from '../../edits/prompt-to-prompt/schedule';
import { mapEditKinds, type Shares, type SharesByKind } from '../../edits/prompt-to-prompt/shares';
import { type InversionName, negativeFor, projectAboveFor, samplerFor } from '../../inversion/names';
import type { SamplerName } from '../../sampler/schedulers';
import { DEFAULTS } from '../../session/options';
import type { EditSettings, GenerateSettings } from './settings';

/** A run's settings with the model's defaults filled in. `fromModel` names those from the model's `p2p.json`. */
export type Settled<S extends RunSettings = RunSettings> = S & {
  readonly guidance: number;
  readonly projectAbove: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly negative: string;
};

/** How a picture of the user's own is inverted, and what it shows. */
export interface Inverting {
  readonly method: InversionName;
  readonly prompt: string;
}

/** The settings common to all commands that make pictures. */
export type RunSettings = Omit<GenerateSettings, 'prompt'>;

const SHARES = ['cross', 'self', 'context'] as const;

/**
 * Fills in settings not given with the model's own or the authors'.
 *
 * @param picture for a user's own picture: some methods need a particular sampler, which then uses the authors' number
 *   of steps
 */
export function settle<S extends RunSettings>(settings: S, own: Defaults, picture?: Inverting): Settled<S> {
  const { guidance, projectAbove, steps, sampler, negative, stated } = picture
    ? forPicture(own, picture)
    : forGenerated(own);
  const fromModel = (['guidance', 'projectAbove', 'steps', 'sampler', 'negative'] as const).filter(
    (name) => settings[name] === undefined && stated[name] !== undefined,
  );
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return {
    guidance,
    projectAbove,
    steps,
    sampler,
    negative,
    ...given,
    fromModel: [...settings.fromModel, ...fromModel],
  } as unknown as Settled<S>;
}

function forGenerated(own: Defaults) {
  return { ...own, negative: DEFAULTS.negative, stated: { ...own.stated, negative: undefined } };
}

function forPicture(own: Defaults, { method, prompt }: Inverting) {
  const negative = negativeFor(method, prompt, own.pictures);
  const projectAbove = projectAboveFor(method, own);
  const { guidance = own.stated.guidance } = own.stated.pictures ?? {};
  const ofModel = {
    ...own.stated,
    guidance,
    projectAbove: projectAbove === own.stated.projectAbove ? projectAbove : undefined,
    negative: negative === DEFAULTS.negative ? undefined : negative,
  };
  const defaults = { ...own, guidance: own.pictures.guidance, projectAbove, negative, stated: ofModel };
  const sampler = samplerFor(method, own);
  if (sampler === own.sampler) return defaults;
  return {
    ...defaults,
    sampler,
    steps: AUTHORS_DEFAULTS.steps,
    stated: { ...ofModel, steps: undefined, sampler: undefined },
  };
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
