import { compose } from '../../attention/compose';
import { attentionStore } from '../../attention/store';
import type { Defaults } from '../../defaults';
import type { Band } from '../../image/layout';
import type { StableDiffusionPipeline } from '../../pipeline';
import type { EditPanels } from '../editFigure';
import { drawEdits, editPanels, headed } from '../editFigure';
import { drawFigure } from '../figure';
import { columnWidth } from '../wordFigure';
import { methodOf } from './edit';
import { notesOf } from './notes';
import type { Manner } from './options';
import { Run } from './run';
import type { EditSettings } from './settings';
import { editSettings } from './settings';
import { settle, settleEdit, sharesOf } from './settle';
import { disposeOf } from './tensors';

/** One figure: edits of one source, in one or several runs. */
interface Scene {
  readonly name: string;
  readonly title: string;
  readonly runs: readonly Partial<EditSettings>[];
  /** Whether to also show the pictures without injection. */
  readonly compare?: boolean;
}

const COMMON = { seed: 4 };

const HOUSE = 'a house on a snowy mountain';
const TREE = 'a blossom tree in a meadow';
const RABBIT = 'a fluffy rabbit in a forest';
/** @internal */
export const SCENES: readonly Scene[] = [
  {
    name: 'swap',
    title: 'Swap a word',
    compare: true,
    runs: [
      {
        source: 'a cat riding a bicycle in a meadow',
        target: [
          'a dog riding a bicycle in a meadow',
          'a cat riding a motorcycle in a meadow',
          'a cat riding a car in a meadow',
        ],
      },
    ],
  },
  {
    name: 'colour',
    title: 'Swap a colour',
    runs: [
      {
        source: 'a blue house in a meadow',
        target: ['red', 'yellow', 'green'].map((colour) => `a ${colour} house in a meadow`),
      },
    ],
  },
  {
    name: 'add',
    title: 'Add a time of day, or snow',
    runs: [
      {
        source: 'a car on the side of a street',
        target: ['at night', 'at sunset']
          .map((time) => `a car on the side of a street ${time}`)
          .concat('a car on the side of a snowy street'),
      },
    ],
  },
  {
    name: 'snowy',
    title: 'Turn a word up or down: snowy',
    runs: [-1, 0.25, 1.5].map((snowy) => ({ source: HOUSE, target: [HOUSE], weight: { snowy } })),
  },
  {
    name: 'blossom',
    title: 'Turn a word up or down: blossom',
    runs: [0.25, 0.5, 1.25].map((blossom) => ({ source: TREE, target: [TREE], weight: { blossom } })),
  },
  {
    name: 'fluffy',
    title: 'Turn a word up or down: fluffy',
    runs: [0.75, 1.25, 1.5].map((fluffy) => ({ source: RABBIT, target: [RABBIT], weight: { fluffy } })),
  },
  {
    name: 'blend',
    title: 'Change one thing and keep the rest as it was, by local blend',
    runs: [
      {
        source: 'a cat on a beach',
        target: ['a dog on a beach', 'a panda on a beach', 'a fox on a beach'],
        blend: [
          ['cat', 'dog'],
          ['cat', 'panda'],
          ['cat', 'fox'],
        ],
      },
    ],
  },
];

/** Makes the sheet of edits. */
export async function demo(backend: string | undefined, manner: Manner): Promise<void> {
  const common = editSettings.omit({ source: true, target: true }).parse({ ...COMMON, backend });
  await Run.perform('demo', common, manner, async (run) => {
    const { checkpoint, defaults } = await run.open();
    const pipeline = await run.load(checkpoint);
    const bands: Band[] = [];
    for (const scene of SCENES)
      bands.push({ title: scene.title, panels: headed(await play(scene, common, defaults, run, pipeline)) });
    const [
      {
        tiles: [{ picture }],
      },
    ] = bands[0].panels as EditPanels['pictures'];
    await run.write('demo.png', drawFigure(bands, columnWidth(picture)));
    pipeline.dispose();
    return { text: 'All edits on one sheet: out/demo/demo.png' };
  });
}

/** Makes a scene's edits and their figure. @returns the panels of the pictures, the source's first */
async function play(
  { name, title, runs, compare }: Scene,
  common: Partial<EditSettings>,
  defaults: Defaults,
  run: Run,
  pipeline: StableDiffusionPipeline,
): Promise<EditPanels['pictures']> {
  const parts: EditPanels[] = [];
  const fresh = [];
  let notes: string[] = [];
  for (const each of runs) {
    const given = editSettings.parse({ ...common, ...each });
    const method = methodOf(given, sharesOf(given, defaults), pipeline.tokenizer);
    const settings = settleEdit(settle(given, defaults), defaults, method.edits);
    const store = attentionStore();
    const edited = await run.generate(pipeline, title, [settings.source, ...settings.target], {
      controller: compose(method, store),
    });
    parts.push(await editPanels(edited.pictures, method.prompts, store, settings.weight));
    store.dispose();
    disposeOf(edited);
    notes = notesOf(settings);
    if (!compare) continue;
    const without = await run.compare(pipeline, settings.target);
    fresh.push(...without.pictures);
    disposeOf(without);
  }
  const together = {
    pictures: sourceOnce(parts.map(({ pictures }) => pictures)),
    maps: sourceOnce(parts.map(({ maps }) => maps)),
  };
  await run.write(`${name}.png`, drawEdits(together, fresh, notes));
  return together.pictures;
}

/** Joins runs of one source: the source's item once, then each target's. */
function sourceOnce<T>(runs: readonly (readonly T[])[]): T[] {
  return [runs[0][0], ...runs.flatMap((panels) => panels.slice(1))];
}
