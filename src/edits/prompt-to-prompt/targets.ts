import type { TokenizedPrompt } from '../../text/tokenizer';
import type { Alignment } from './alignment';

/** @throws RangeError unless there is one alignment for each target */
export function checkAlignments(targets: readonly TokenizedPrompt[], alignments: readonly Alignment[]): void {
  if (targets.length !== alignments.length)
    throw new RangeError(`There are ${targets.length} targets and ${alignments.length} alignments: give one for each.`);
}

/**
 * What a controller holds for the target that a row belongs to.
 *
 * @param ofTargets one for each target; prompt 1 is the first of them
 * @throws RangeError if the controller was made for fewer targets
 */
export function ofTarget<T>(ofTargets: readonly T[], prompt: number): T {
  if (prompt <= ofTargets.length) return ofTargets[prompt - 1];
  throw new RangeError(
    `The batch has target prompt ${prompt}, but this controller was made for ${ofTargets.length} target prompts. Make it with all prompts of the run.`,
  );
}
