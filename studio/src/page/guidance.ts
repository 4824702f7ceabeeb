/** A recipe's guidance, and its picture if the source is the user's own. */
interface Guided {
  readonly guidance: number;
  readonly picture?: string | undefined;
}

/** The guidance after the source changes: the default for the new source, unless the user has chosen another. */
export function guidanceWith(
  picture: string | undefined,
  { guidance, picture: before }: Guided,
  defaults: { readonly guidance: number; readonly pictureGuidance: number },
): number {
  const suits = (source: string | undefined): number =>
    source === undefined ? defaults.guidance : defaults.pictureGuidance;
  return guidance === suits(before) ? suits(picture) : guidance;
}
