import type { EditKind } from '../../edits/prompt-to-prompt/alignment';
import { BLEND_THRESHOLD, type Shares } from '../../edits/prompt-to-prompt/shares';
import type { EditSettings } from './settings';
import type { Settled } from './settle';

/** The names of the kinds of edits. */
export const KINDS: Readonly<Record<EditKind, string>> = {
  replace: 'words swapped',
  redescribe: 'describing words swapped',
  refine: 'words added or left out',
  reweight: 'the same words',
};

/** Lines that describe how an edit was made; what came from the model's `p2p.json` is marked. */
export function notesOf(settings: Settled<EditSettings>): string[] {
  const { seed, steps, sampler, guidance, projectAbove, crossWord, contextWord, blend, blendMinus, blendThreshold } =
    settings;
  const marked = (name: string): string => (settings.fromModel.includes(name) ? " (the model's)" : '');
  return [
    settings.image === undefined ? `Seed ${seed}` : `Inversion ${settings.inversion ?? 'direct'}`,
    `${steps} steps${marked('steps')} of ${sampler.toUpperCase()}${marked('sampler')}`,
    `Guidance ${guidance}${marked('guidance')}`,
    ...(guidance > projectAbove ? [`– projected above ${projectAbove}${marked('projectAbove')}`] : []),
    ...shareNotes('Cross-attention', 'cross', settings),
    ...Object.entries(crossWord).map(([word, range]) => `– of ${word} ${inWords(range)}`),
    ...shareNotes('Self-attention', 'self', settings),
    ...shareNotes('Context', 'context', settings),
    ...Object.entries(contextWord).map(([word, range]) => `– of ${word} ${inWords(range)}`),
    ...blend.map(([source, target]) => `Blend ${source} : ${target}`),
    ...(blend.length > 0 && blendThreshold !== BLEND_THRESHOLD ? [`– from ${blendThreshold} on`] : []),
    ...blendMinus.map(([source, target]) => `– without ${source} : ${target}`),
  ];
}

/** One line, or one for each kind of edit if they differ. */
function shareNotes(label: string, name: keyof Shares, settings: Settled<EditSettings>): string[] {
  const given = settings[name];
  if (given !== undefined) return [`${label} ${inWords(given)}`];
  const kinds = Object.entries(settings.shares ?? {}).map(([kind, shares]) => ({
    kind: kind as EditKind,
    text: `${label} ${inWords(shares?.[name] ?? 0)}${settings.fromModel.includes(`shares.${kind}.${name}`) ? " (the model's)" : ''}`,
  }));
  const same = new Set(kinds.map(({ text }) => text)).size <= 1;
  return same ? kinds.slice(0, 1).map(({ text }) => text) : kinds.map(({ kind, text }) => `${text}, ${KINDS[kind]}`);
}

function inWords(range: number | readonly number[]): string {
  return typeof range === 'number' ? String(range) : range.join('–');
}
