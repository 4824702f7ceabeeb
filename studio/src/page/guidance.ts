/** Whether the source is a picture of one's own, and how strongly prompts are followed. */
interface Guided {
  readonly guidance: number;
  readonly picture?: string | undefined;
}

/** The guidance of a recipe whose source changes: what suits the new source, unless a person chose another. */
export function guidanceWith(
  picture: string | undefined,
  { guidance, picture: before }: Guided,
  defaults: { readonly guidance: number; readonly pictureGuidance: number },
): number {
  const suits = (source: string | undefined): number =>
    source === undefined ? defaults.guidance : defaults.pictureGuidance;
  return guidance === suits(before) ? suits(picture) : guidance;
}
