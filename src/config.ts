import { z } from 'zod';

/** A config as it was found: `json` is yet to be validated, and `file` says where, for the messages. */
export interface ConfigFile {
  readonly file: string;
  readonly json: unknown;
}

/** A config that asks for what this project does not do. The message names the file, the key and the value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A key of which only these values are supported; where it is absent, it is the first. */
export function only<const T extends readonly [z.core.util.Literal, ...z.core.util.Literal[]]>(...values: T) {
  return z.literal(values).default(values[0] as never);
}

/** A key that changes nothing in what the checkpoint computes here: it is left out of the checked config. */
export const harmless = z.unknown().optional();

/**
 * Checks a config as a checkpoint has it against a strict schema. Keys that the schema does not know are let pass where
 * they are notes (`_diffusers_version`) or switched off (null, false); anything else might change the result, so it is
 * an error.
 *
 * @param file what to call the config in a message: its path
 * @throws ConfigError that lists every key with a value that is wrong or not supported
 */
export function parseConfig<T extends z.ZodObject>(schema: T, json: unknown, file: string): z.output<T> {
  const { success, data, error } = schema.strict().safeParse(relevant(json, schema));
  if (success) return data as z.output<T>;
  const problems = error.issues.flatMap((issue) => describe(issue, json));
  throw new ConfigError(problems.map((problem) => `${file}: ${problem}`).join('\n'));
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
  return value === undefined ? 'absent' : String(JSON.stringify(value));
}

/**
 * JSON as Python writes it: `Infinity`, `-Infinity` and `NaN` (as null) too, which diffusers puts into scheduler
 * configs.
 *
 * @throws SyntaxError for anything else that is not JSON
 */
export function parsePythonJson(text: string): unknown {
  const tokens = /"(?:[^"\\]|\\.)*"|\b(?:Infinity|NaN)\b/g;
  return JSON.parse(text.replace(tokens, (token) => ({ Infinity: '1e999', NaN: 'null' })[token] ?? token));
}
