/** An invalid checkpoint. The message names the file and the key, and says what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** The most names listed in one message; the rest are counted. */
const MAX_LISTED = 12;

/** `a, b, c and 40 more` */
export function listed(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  return rest > 0 ? `${names.slice(0, MAX_LISTED).join(', ')} and ${rest} more` : names.join(', ');
}
