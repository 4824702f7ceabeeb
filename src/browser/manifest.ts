import { z } from 'zod';
import { problemsIn } from '../config';
import { CheckpointError } from '../errors';
import { safePath } from '../weights/fileTree';

const schema = z.object({
  /** The model's name. */
  name: z.string().min(1),
  files: z
    .array(
      z.object({
        /** Relative to the manifest, with `/` between its parts. */
        path: z.string().min(1),
        /** In bytes. */
        size: z.int().min(0),
        /** In hexadecimal. */
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'Expected 64 hexadecimal digits'),
      }),
    )
    .min(1),
});

/** The list of a model's files, a JSON file beside them, because HTTP servers do not list folders. */
export type ModelManifest = z.output<typeof schema>;

/** @param url where it was found @throws CheckpointError naming the field */
export function parseManifest(json: unknown, url: string): ModelManifest {
  const { success, data, error } = schema.safeParse(json);
  if (!success) throw new CheckpointError(`${url} is not a model's manifest.\n${problemsIn(error, json, url)}`);
  for (const { path } of data.files) safePath(path, url);
  return data;
}
