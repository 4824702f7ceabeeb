import { BLEND_THRESHOLD } from '../../edits/prompt-to-prompt/localBlend';
import type { EditSettings } from './settings';

/** What made an edit, a line each. */
export function notesOf({
  seed,
  steps,
  sampler,
  guidance,
  cross,
  crossWord,
  self,
  context,
  contextWord,
  blend,
  blendMinus,
  blendThreshold,
}: EditSettings): string[] {
  const share = (range: number | readonly number[]): string =>
    typeof range === 'number' ? String(range) : range.join('–');
  return [
    `Seed ${seed}`,
    `${steps} steps of ${sampler.toUpperCase()}`,
    `Guidance ${guidance}`,
    `Cross-attention ${share(cross)}`,
    ...Object.entries(crossWord).map(([word, range]) => `– of ${word} ${share(range)}`),
    `Self-attention ${share(self)}`,
    ...(context === 0 && Object.keys(contextWord).length === 0 ? [] : [`Context ${share(context)}`]),
    ...Object.entries(contextWord).map(([word, range]) => `– of ${word} ${share(range)}`),
    ...blend.map(([source, target]) => `Blend ${source} : ${target}`),
    ...(blend.length > 0 && blendThreshold !== BLEND_THRESHOLD ? [`– from ${blendThreshold} on`] : []),
    ...blendMinus.map(([source, target]) => `– without ${source} : ${target}`),
  ];
}
