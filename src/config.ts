import { z } from 'zod';

/** A config as read: `json` is not validated yet, and `file` is its path, for messages. */
export interface ConfigFile {
  readonly file: string;
  readonly json: unknown;
}

/** A config that needs something this project does not support. The message names the file, the key and the value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A key for which only these values are supported. If it is absent, the first one applies. */
export function only<const T extends readonly [z.core.util.Literal, ...z.core.util.Literal[]]>(...values: T) {
  return z.literal(values).default(values[0] as never);
}

/** How much of a value is shown, in letters. */
const MOST_SHOWN = 80;

/** A key that does not affect what is computed here; it is left out of the checked config. */
export const harmless = z.unknown().optional();

/**
 * Checks a checkpoint's config against a strict schema. Keys unknown to the schema are ignored if they are notes
 * (`_diffusers_version`) or switched off (null, false); anything else might change the result, so it is an error.
 *
 * @param file the config's path, for messages
 * @throws ConfigError listing every key whose value is wrong or not supported
 */
export function parseConfig<T extends z.ZodObject>(schema: T, json: unknown, file: string): z.output<T> {
  const { success, data, error } = schema.strict().safeParse(relevant(json, schema));
  if (success) return data as z.output<T>;
  throw new ConfigError(problemsIn(error, json, file));
}

/** What is wrong with a file's JSON, a line for each key, which is named with its value. @param file its path */
export function problemsIn({ issues }: Pick<z.ZodError, 'issues'>, json: unknown, file: string): string {
  const problems = issues.flatMap((issue) => describe(issue, json));
  return problems.map((problem) => `${file}: ${problem}`).join('\n');
}

function relevant(json: unknown, schema: z.ZodObject): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const matters = ([key, value]: [string, unknown]) =>
    Object.hasOwn(schema.shape, key)
      ? schema.shape[key] !== harmless
      : !(key.startsWith('_') || value === null || value === false);
  return Object.fromEntries(Object.entries(json).filter(matters));
}

function describe(issue: z.core.$ZodIssue, json: unknown): string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${key} is ${show(valueAt(json, [key]))}, and this key is not supported.`);
  if (issue.path.length === 0) return [issue.message];
  const is = `${issue.path.join('.')} is ${show(valueAt(json, issue.path))}`;
  if (issue.code === 'invalid_value') return [`${is}; supported: ${issue.values.map(show).join(', ')}.`];
  return [`${is}: ${issue.message}`];
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}

function show(value: unknown): string {
  const text = value === undefined ? 'absent' : String(JSON.stringify(value));
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text;
}

/**
 * Parses JSON as Python writes it, with `Infinity`, `-Infinity` and `NaN` (read as null), which diffusers puts into
 * scheduler configs.
 *
 * @throws SyntaxError for anything else that is not JSON
 */
export function parsePythonJson(text: string): unknown {
  const tokens = /"(?:[^"\\]|\\.)*"|\b(?:Infinity|NaN)\b/g;
  return JSON.parse(text.replace(tokens, (token) => ({ Infinity: '1e999', NaN: 'null' })[token] ?? token));
}
