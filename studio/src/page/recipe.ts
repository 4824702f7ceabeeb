import type { ModelInfo, Recipe, SamplerName, Shares, WordPair } from '../engine/protocol';
import { maskOf, maskText } from './maskText';

/** The samplers' display names. */
export const SAMPLERS: Readonly<Record<SamplerName, string>> = { 'dpm++': 'DPM-Solver++', ddim: 'DDIM' };

const isSampler = (name: string | null): name is SamplerName => name !== null && Object.hasOwn(SAMPLERS, name);

/**
 * The settings that `p2p edit --from` reads. A user's controller is not included.
 *
 * @param files the mask and the user's own picture, as `data:` URLs; with a picture there is no seed
 */
export function editJson(
  recipe: Recipe,
  { cross, self, context }: Shares,
  model: string,
  files: { readonly mask?: string; readonly image?: string },
): string {
  const { source, target, weights, blend, threshold, steps, guidance, sampler } = recipe;
  const seed = files.image === undefined ? recipe.seed : undefined;
  const edit = { source, target: [target], cross, self, context, weight: weights, blend, blendThreshold: threshold };
  return `${JSON.stringify({ ...edit, model, seed, steps, guidance, sampler, ...files }, undefined, 2)}
`;
}

/** A recipe as a URL fragment, with only what differs from the defaults. */
export function toAddress(recipe: Recipe, defaults: Recipe): string {
  const parts = new URLSearchParams();
  for (const name of FIELDS) {
    if (recipe[name] !== undefined && recipe[name] !== defaults[name]) parts.set(name, String(recipe[name]));
  }
  for (const [word, factor] of Object.entries(recipe.weights)) parts.append('weight', `${word}=${factor}`);
  for (const [source, target] of recipe.blend) parts.append('blend', `${source}:${target}`);
  if (recipe.mask) parts.set('mask', maskText(recipe.mask));
  if (recipe.code !== undefined) parts.set('code', recipe.code);
  return parts.toString();
}

const FIELDS = [
  'source',
  'target',
  'keep',
  'cross',
  'self',
  'context',
  'threshold',
  'seed',
  'steps',
  'guidance',
  'sampler',
] as const;

/** Reads a recipe for a model from a URL fragment, ignoring or clamping invalid values. */
export function fromAddress(hash: string, model: ModelInfo): Recipe {
  const defaults = firstRecipe(model);
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const text = (name: string, otherwise: string): string => parts.get(name)?.trim() || otherwise;
  const number = (name: 'keep' | 'threshold' | 'seed' | 'steps' | 'guidance', least: number, most: number): number => {
    const given = parts.get(name);
    const value = given === null ? NaN : Number(given);
    return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : defaults[name];
  };
  const share = (name: keyof Shares): Partial<Shares> => {
    const value = Number(parts.get(name) ?? NaN);
    return value >= 0 && value <= 1 ? { [name]: value } : {};
  };
  const source = text('source', defaults.source);
  const code = parts.get('code');
  const mask = parts.get('mask');
  const sampler = parts.get('sampler');
  return {
    source,
    target: text('target', parts.has('source') ? source : defaults.target),
    keep: number('keep', 0, 1),
    ...share('cross'),
    ...share('self'),
    ...share('context'),
    threshold: number('threshold', 0, 0.99),
    seed: Math.round(number('seed', 0, 2 ** 53 - 1)),
    steps: Math.round(number('steps', 1, 200)),
    guidance: number('guidance', 0, 30),
    sampler: isSampler(sampler) ? sampler : defaults.sampler,
    weights: Object.fromEntries(
      parts.getAll('weight').flatMap((entry) => {
        const [, word, factor] = /^(.+)=(-?[\d.]+)$/.exec(entry) ?? [];
        return word && Number.isFinite(Number(factor)) ? [[word, Number(factor)]] : [];
      }),
    ),
    blend: parts.getAll('blend').flatMap((pair): WordPair[] => {
      const [of, to] = pair.split(':');
      return of && to ? [[of, to]] : [];
    }),
    ...(mask && { mask: maskOf(mask, model.grid.width * model.grid.height) }),
    ...(code !== null && { code }),
  };
}

/** The recipe that a page begins with. */
export function firstRecipe({ defaults }: ModelInfo): Recipe {
  const { seed, steps, guidance, sampler } = defaults;
  return {
    seed,
    steps,
    guidance,
    sampler,
    keep: 0.5,
    source: 'a cat riding a bicycle in a meadow',
    target: 'a cat riding a motorcycle in a meadow',
    weights: {},
    blend: [],
    threshold: 0.3,
  };
}

/** The recipe without weights and blends for words that its prompts no longer have. */
export function tidied(recipe: Recipe): Recipe {
  const has = (prompt: string, word: string): boolean => {
    const [, plain, index] = /^(.*?)(?:#(\d+))?$/.exec(word)!;
    const count = prompt
      .toLowerCase()
      .split(/\s+/)
      .filter((other) => other.replace(/[^\p{L}\p{N}]+$/u, '') === plain).length;
    return count >= Number(index ?? 1);
  };
  return {
    ...recipe,
    weights: Object.fromEntries(Object.entries(recipe.weights).filter(([word]) => has(recipe.target, word))),
    blend: recipe.blend.filter(([source, target]) => has(recipe.source, source) && has(recipe.target, target)),
  };
}
