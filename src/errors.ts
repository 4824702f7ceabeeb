/** An invalid checkpoint. The message names the file and the key, and says what to do. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** What was asked of a checkpoint is not for it: a variant that it lacks, a LoRA that is invalid or does not fit. */
export class UnfitError extends CheckpointError {}

/** The most names listed in one message; the rest are counted. */
const MAX_LISTED = 12;

/** `a, b, c and 40 more` */
export function listed(names: readonly string[], most = MAX_LISTED): string {
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(', ')} and ${rest} more` : names.join(', ');
}
