import { batch, computed, effect, signal } from '@preact/signals';
import type { Picture } from 'prompt-to-prompt-tfjs';
import { Client } from '../engine/client';
import type {
  Backend,
  EditKind,
  Mask,
  ModelInfo,
  ModelPlace,
  Pictures,
  Recipe,
  Report,
  Result,
} from '../engine/protocol';
import { sharesOf } from '../engine/shares';
import { odditiesOf, place } from '../library';
import { guidanceWith } from './guidance';
import { firstRecipe, fromAddress, tidied, toAddress } from './recipe';
import { kindOf, slotsOf } from './slots';

/**
 * How long a computation may take to stop, in milliseconds: a step of a large model, or user code that may be endless.
 */
const PATIENCE = { step: 60_000, code: 2000 };
/**
 * The sides that users' own pictures are reduced to, in pixels. The shorter one counts, because a panorama's middle is
 * cropped out of it; the longer one, because of memory.
 */
const MAX_SIDES = { shorter: 1024, longer: 8192 };
/** How many edits the history keeps. */
const MAX_HISTORY = 5;

/** One step's pictures, as far as they were shown. */
export interface Frame {
  readonly step: number;
  readonly source?: Picture;
  readonly edit?: Picture;
  readonly region?: Mask;
}

export interface Past {
  readonly recipe: Recipe;
  readonly result: Result;
}

/** A message to the user, and the part of the page it belongs to. */
export interface Notice {
  readonly text: string;
  readonly kind: 'error' | 'note';
  readonly line?: number;
  readonly from?: Extract<Report, { type: 'failed' }>['from'];
  /** What the user may copy. */
  readonly link?: string;
  /** Retries what went wrong. */
  readonly again?: () => void;
}

export const model = signal<ModelInfo | undefined>(undefined);
export const loading = signal<{ what: string; share: number } | undefined>({ what: 'Starting', share: 0 });
export const recipe = signal<Recipe | undefined>(undefined);
export const result = signal<Result | undefined>(undefined);
/** The draft, shown until the result is there. */
export const draft = signal<Pictures | undefined>(undefined);
/** The recipe of the result. */
export const made = signal<Recipe | undefined>(undefined);
/** The progress of the current rendering. */
export const progress = signal<{ step: number; steps: number } | undefined>(undefined);
export const live = signal<Frame | undefined>(undefined);
export const frames = signal<readonly Frame[]>([]);
export const history = signal<readonly Past[]>([]);
export const notice = signal<Notice | undefined>(undefined);
export const strip = signal<readonly { readonly keep: number; readonly recipe: Recipe; readonly picture?: Picture }[]>(
  [],
);
export const memory = signal(0);

/** The size of the brush in cells, while a region is being painted. */
export const brush = signal<number | undefined>(undefined);
/** Whether the outline of the region is drawn. */
export const outlined = signal(true);

/** The selected step; undefined for all of them. */
export const step = signal<number | undefined>(undefined);
/** The slot whose word's looks are shown: while the pointer is on it, and until another is picked. */
export const hovered = signal<number | undefined>(undefined);
export const pinned = signal<number | undefined>(undefined);
/** The place in the picture under the pointer, each from 0 to 1, and whose picture it is. */
export const probe = signal<{ readonly x: number; readonly y: number; readonly of: 'source' | 'edit' } | undefined>(
  undefined,
);

export const slots = computed(() => (recipe.value ? slotsOf(recipe.value.source, recipe.value.target) : []));
/** The kind of the edit, in the library's terms. */
export const kind = computed((): EditKind => {
  const kinds = new Set(slots.value.map(kindOf));
  if (kinds.has('added') || kinds.has('left out')) return 'refine';
  if (!kinds.has('swapped')) return 'reweight';
  const describing = new Set(model.value?.defaults.shares.describing);
  const swapped = slots.value.filter((slot) => kindOf(slot) === 'swapped');
  return swapped.every(({ target }) => describing.has(target!.toLowerCase())) ? 'redescribe' : 'replace';
});
/** The shares taken from the source. */
export const shares = computed(() => sharesOf(recipe.value!, kind.value, model.value!.defaults.shares));
/** The cells that the edit may change, if known. */
export const region = computed(() => {
  const { mask, blend } = recipe.value ?? {};
  if (mask && !blend?.length) return mask;
  if (!blend?.length) return undefined;
  return (live.value ?? draft.value ?? result.value)?.region;
});
export const focus = computed(() => hovered.value ?? pinned.value);

/** The model being opened, and the last one opened successfully. */
let opening: ModelPlace | undefined;
let opened: ModelPlace | undefined;
let rendering = 0;
let stripping = 0;
/** The last note on a rendering, and which one it was on: a later one that gives none has put it right. */
let told: Notice | undefined;
let toldBy = 0;
/** Whether a slider is being dragged, and the rendering at which that began: its drafts are shown even when there are newer renderings. */
let dragging = false;
let dragged = 0;
/** The rendering whose draft is shown. */
let drafted = 0;
/** The recipe that last killed the worker, and one that did so twice and is not retried automatically. */
let fatal: Recipe | undefined;
const halted = signal<Recipe | undefined>(undefined);

const client = new Client(receive);

/** The URL of the model that comes with the page. */
const SERVED = new URL('model/manifest.json', document.baseURI).href;

export function openModel(place: ModelPlace = SERVED, backend?: Backend): void {
  batch(() => {
    loading.value = { what: 'Starting', share: 0 };
    notice.value = undefined;
  });
  opening = place;
  client.load(place, backend);
}

/** Does what the user asked for; if it fails, says so, and offers to try again. @param failure what then went wrong */
export async function attempt(failure: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const again = () => void attempt(failure, work);
    notice.value = { kind: 'error', text: `${failure}: ${(error as Error).message}`, again };
  }
}

/** Changes the recipe; the picture follows. */
export function change(changes: Partial<Recipe>): void {
  dragging = false;
  set(changes);
}

/** Changes the recipe while something is dragged: drafts follow, and the picture when it rests. */
export function drag(changes: Partial<Recipe>): void {
  dragging = true;
  set(changes);
}

/** Ends a drag: the picture is made without waiting for a draft. */
export function settle(): void {
  const wanted = recipe.value;
  if (!dragging || !wanted) return;
  dragging = false;
  if (progress.value && drafted !== rendering) render(wanted);
}

function set(changes: Partial<Recipe>): void {
  if (recipe.value) recipe.value = tidied({ ...recipe.value, ...changes });
}

/** Opens a picture of the user's own as the source; the source prompt should say what it shows. */
export async function openPicture(file: File): Promise<void> {
  try {
    const bitmap = await createImageBitmap(file);
    const [shorter, longer] = [bitmap.width, bitmap.height].sort((a, b) => a - b);
    const scale = Math.min(1, MAX_SIDES.shorter / shorter, MAX_SIDES.longer / longer);
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const context = new OffscreenCanvas(width, height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const name = `${file.name} ${file.lastModified}`;
    client.give(name, { width, height, data });
    change(withPicture(name));
    const oddities = odditiesOf(place(bitmap, model.value!)).map(
      ({ text, fit }) => `${file.name} ${text}${fit ? ' Crop it first to choose which part.' : ''}`,
    );
    if (oddities.length > 0) note(oddities.join(' '));
  } catch {
    notice.value = {
      kind: 'error',
      text: `${file.name} is not a picture that this browser can read. Use a PNG, JPEG or WebP file.`,
    };
  }
}

/** Goes back to a generated source. */
export function closePicture(): void {
  change(withPicture(undefined));
}

function withPicture(picture: string | undefined): Partial<Recipe> {
  return { picture, guidance: guidanceWith(picture, recipe.value!, model.value!.defaults) };
}

export const ownPicture = (name: string): Picture | undefined => client.picture(name);

export function stop(): void {
  client.stop(recipe.value?.code === undefined ? PATIENCE.step : PATIENCE.code);
  batch(() => {
    progress.value = undefined;
    live.value = undefined;
    draft.value = undefined;
  });
}

/** Goes back to an earlier edit, stopping the current computation. */
export function take(past: Past): void {
  stop();
  rendering = 0;
  dragging = false;
  batch(() => {
    recipe.value = past.recipe;
    result.value = past.result;
    made.value = past.recipe;
  });
}

export function askForStrip(recipes: readonly { keep: number; recipe: Recipe }[]): void {
  strip.value = recipes;
  stripping = client.strip(recipes.map(({ recipe: each }) => each));
}

/** Renders the recipe whenever it changes. */
effect(() => {
  const wanted = recipe.value;
  if (!wanted || loading.value || wanted === made.peek() || wanted === halted.value) return;
  render(wanted);
});

function render(wanted: Recipe): void {
  rendering = client.render(wanted, dragging);
  if (!dragging) dragged = rendering;
  batch(() => {
    frames.value = [];
    live.value = undefined;
    strip.value = [];
    step.value = undefined;
    progress.value = { step: 0, steps: wanted.steps };
  });
}

/** Keeps the URL up to date, so that it can be shared at any time. */
effect(() => {
  if (!recipe.value || !model.value) return;
  const address = toAddress(recipe.value, firstRecipe(model.value));
  window.history.replaceState(null, '', address === '' ? location.pathname + location.search : `#${address}`);
});

function receive(report: Report): void {
  batch(() => {
    switch (report.type) {
      case 'loading':
        loading.value = { what: report.what, share: report.done / report.total };
        break;
      case 'ready':
        ready(report.info);
        break;
      case 'step':
        if (report.id === rendering) onStep(report);
        break;
      case 'draft':
        if (report.id >= dragged) onDraft(report);
        break;
      case 'result':
        if (report.id === rendering) onResult(report.result);
        break;
      case 'strip':
        if (report.id === stripping)
          strip.value = strip.value.map((each, i) =>
            i === report.index ? { ...each, picture: report.picture } : each,
          );
        break;
      case 'idle':
        if (report.id === rendering) progress.value = undefined;
        memory.value = report.bytes;
        break;
      case 'note':
        note(report.text);
        break;
      case 'stopped':
        break;
      case 'failed':
        failed(report);
        break;
    }
  });
}

/** Shows a note on the current rendering. */
function note(text: string): void {
  told = { kind: 'note', text };
  toldBy = rendering;
  notice.value = told;
}

function ready(info: ModelInfo): void {
  opened = opening;
  model.value = info;
  made.value = undefined;
  loading.value = undefined;
  const wanted = recipe.value ?? tidied(fromAddress(location.hash, info));
  const fits = (wanted.mask?.length ?? cellsOf(info)) === cellsOf(info);
  recipe.value = fits ? wanted : { ...wanted, mask: undefined };
}

function cellsOf({ grid: { width, height } }: ModelInfo): number {
  return width * height;
}

function onStep({ step: at, steps, source, edit, region }: Extract<Report, { type: 'step' }>): void {
  progress.value = { step: at + 1, steps };
  if (!edit) return;
  live.value = { step: at, source: source ?? live.value?.source, edit, region };
  frames.value = [...frames.value, live.value];
}

function onDraft({ id, draft: pictures }: Extract<Report, { type: 'draft' }>): void {
  drafted = id;
  draft.value = pictures;
  live.value = undefined;
}

function onResult(made_: Result): void {
  const isPast = notice.value?.kind === 'error' || (notice.value === told && toldBy !== rendering);
  if (isPast) notice.value = undefined;
  result.value = made_;
  draft.value = undefined;
  const of = recipe.value!;
  fatal = undefined;
  made.value = of;
  live.value = undefined;
  progress.value = undefined;
  frames.value = [...frames.value, { step: of.steps - 1, source: made_.source, edit: made_.edit }];
  history.value = [{ recipe: of, result: made_ }, ...history.value.filter((past) => past.recipe !== of)].slice(
    0,
    MAX_HISTORY + 1,
  );
}

function failed({ id, message, line, from }: Extract<Report, { type: 'failed' }>): void {
  if (id !== undefined && id !== rendering && id !== stripping) return;
  notice.value = { kind: 'error', text: message, line, from };
  progress.value = undefined;
  live.value = undefined;
  draft.value = undefined;
  if (from === 'device') startAgain('wasm');
  else if (loading.value) backToOpened();
  else if (from === 'memory') afterFatal();
  else if (from === 'endless') {
    recipe.value = { ...recipe.value!, code: undefined };
    startAgain();
  }
}

/** Starts the worker again; the notice stays until it is dismissed. */
function startAgain(backend?: Backend): void {
  notice.value = { ...notice.value!, kind: 'note' };
  loading.value = { what: 'Restarting', share: 0 };
  client.restart(backend);
}

/** Retries a rendering that killed its worker once; after that it waits for a change or a request by the user. */
function afterFatal(): void {
  startAgain();
  if (fatal === recipe.value) {
    halted.value = fatal;
    notice.value = { ...notice.value!, again: () => (halted.value = undefined) };
  }
  fatal = recipe.value;
}

/** After a model fails to open, opens the previous one again. */
function backToOpened(): void {
  loading.value = undefined;
  const said = notice.value!;
  const place = opening;
  if (opened !== undefined && opened !== place) openModel(opened);
  notice.value = { ...said, again: opened === undefined || opened === place ? () => openModel(place) : undefined };
}
