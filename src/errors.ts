/** A checkpoint that is not what it should be. The message names the file and the key, and says what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** At most this many names are listed in one message; the rest is counted. */
const MAX_LISTED = 12;

/** `a, b, c and 40 more` */
export function listed(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  return rest > 0 ? `${names.slice(0, MAX_LISTED).join(', ')} and ${rest} more` : names.join(', ');
}
