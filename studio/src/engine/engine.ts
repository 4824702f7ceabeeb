import * as tf from '@tensorflow/tfjs';
import {
  type AttentionController,
  BlobSink,
  bytesOf,
  compose,
  type DenoisingStep,
  fitPicture,
  fromPictures,
  type Inversion,
  invert,
  mapEditKinds,
  type Picture,
  type PromptToPrompt,
  place,
  promptToPrompt,
  Recording,
  type StableDiffusionPipeline,
  toPictures,
} from 'prompt-to-prompt-tfjs';
import { controllerOf } from './custom';
import { recordLooks } from './looks';
import type { Mask, Pictures, Recipe, Report, Request, Result } from './protocol';
import { plainShares, sharesAt } from './shares';

/** The steps of a draft: the fewest that still show what the picture will be. */
const DRAFT_STEPS = 6;
/** How many recorded sources are kept. */
const MAX_SOURCES = 6;
/** The share of a run's time that previews of it may take. */
const SHOWING = 0.1;

/**
 * The first step of an edit from a recording that is shown, as a fraction of all steps: before it, little of the edit
 * is visible.
 */
const FIRST_SHOWN = 0.25;

type Tell = (report: Report) => void;

/** A source whose run was recorded. */
interface Source {
  readonly recording: Recording;
  readonly picture: Picture;
  /** The picture's latents, [1, height, width, channels]. */
  readonly latents: tf.Tensor4D;
}

/** Observers of a run. */
interface Onlooker {
  /** The same picture made in more steps, to which the edit's difference from the source is added. */
  readonly base?: Source;
  readonly looks?: AttentionController;
  /** Called with the steps of an inversion. */
  readonly onInverted?: (step: number) => void;
  /** @param source undefined while it is being made */
  readonly onStep?: (step: DenoisingStep, source?: Source) => void | Promise<void>;
}

/** Makes pictures, one rendering at a time. */
export class Engine {
  /** Least recently used first. */
  private readonly sources = new Map<string, Source>();

  constructor(
    private readonly pipeline: StableDiffusionPipeline,
    /** The user's own pictures, by name. */
    private readonly pictures: ReadonlyMap<string, Picture>,
    private readonly tell: Tell,
  ) {}

  /**
   * Renders the edit; if it is coarse, a draft first. Afterwards records a source for drafts.
   *
   * @param superseded aborts everything except a draft, which `draftCancelled` aborts
   */
  async render(
    { id, recipe, coarse }: Extract<Request, { type: 'render' }>,
    superseded: AbortSignal,
    draftCancelled: AbortSignal,
  ): Promise<void> {
    const draft = drafted(recipe);
    const draftFirst = coarse && recipe.steps > draft.steps;
    if (draftFirst) await this.draft(recipe, draftCancelled, (made) => this.tell({ type: 'draft', id, draft: made }));
    superseded.throwIfAborted();
    this.tell({ type: 'result', id, result: await this.final(id, recipe, superseded, !draftFirst) });
    this.tell({ type: 'idle', id, bytes: tf.memory().numBytes });
    if (!this.sources.has(keyOf(draft))) await this.record(draft, superseded);
  }

  /** Renders drafts of several edits. */
  async strip(id: number, recipes: readonly Recipe[], signal: AbortSignal): Promise<void> {
    for (const [index, recipe] of recipes.entries()) {
      await this.draft(recipe, signal, ({ edit }) => this.tell({ type: 'strip', id, index, picture: edit }));
    }
    this.tell({ type: 'idle', id, bytes: tf.memory().numBytes });
  }

  /** Records a source, so that the next change of its edit shows a draft at once. */
  private async record(recipe: Recipe, signal: AbortSignal): Promise<void> {
    if (recipe.picture !== undefined) return this.invert(recipe, signal);
    const sink = new BlobSink();
    const { latents, ...rest } = await this.pipeline.generate([recipe.source], {
      ...runOptions(recipe),
      signal,
      record: { to: sink, self: 1 },
      onWarning: () => undefined,
    });
    await this.keep(recipe, sink, latents);
    tf.dispose([latents, ...Object.values(rest)] as tf.Tensor[]);
  }

  /** Inverts a picture of the user's own by direct inversion and records it, so that edits can start from it. */
  private async invert(recipe: Recipe, signal: AbortSignal, onStep?: (step: number) => void): Promise<void> {
    const given = this.pictures.get(recipe.picture!);
    if (!given) throw new Error('The picture is no longer there. Open it again.');
    const { defaultSize: size } = this.pipeline;
    const image = fromPictures([fitPicture(given, place(given, size))]);
    const latents = this.pipeline.toLatents(image);
    const sink = new BlobSink();
    let inversion: Inversion | undefined;
    try {
      const { steps, guidance, sampler } = recipe;
      inversion = await invert(this.pipeline, latents, { prompt: recipe.source, steps, guidance, sampler, signal });
      await inversion.record(this.pipeline, { to: sink, self: 1 }, { signal, onStep });
      await this.keep(recipe, sink, latents);
    } finally {
      inversion?.dispose();
      tf.dispose([image, latents]);
    }
  }

  /** Renders an edit in few steps. @param tell called half-way, if the source is known, and at the end */
  private async draft(recipe: Recipe, signal: AbortSignal, tell: (draft: Pictures) => void): Promise<void> {
    const base = this.taken(recipe);
    const onStep = async ({ step, steps, latents }: DenoisingStep): Promise<void> => {
      if (base && step + 1 === Math.ceil(steps / 2)) tell(await this.picturesOf(recipe, latents, base));
    };
    tell(await this.edited(drafted(recipe), signal, { base, onStep }));
  }

  /**
   * Renders an edit with its full settings, and where its words look.
   *
   * @param shows whether to show it while it is made
   */
  private async final(id: number, recipe: Recipe, signal: AbortSignal, shows: boolean): Promise<Result> {
    const looks = recordLooks([recipe.source, recipe.target].map((prompt) => this.pipeline.tokenizer.tokenize(prompt)));
    const { steps } = recipe;
    const onInverted = (step: number): void => this.tell({ type: 'step', id, step, steps });
    const start = performance.now();
    const onStep = shows ? this.shower(id, recipe) : ({ step }: DenoisingStep): void => onInverted(step);
    try {
      const pictures = await this.edited(recipe, signal, { looks, onInverted, onStep });
      const [source, edit] = await looks.read();
      return { ...pictures, looks: { source, edit }, seconds: (performance.now() - start) / 1000 };
    } finally {
      looks.dispose();
    }
  }

  /** Runs an edit to its last step: from the recorded source, or together with the source, which records it. */
  private async edited(recipe: Recipe, signal: AbortSignal, onlooker: Onlooker = {}): Promise<Pictures> {
    if (recipe.picture !== undefined && !this.sources.has(keyOf(recipe)))
      await this.invert(recipe, signal, onlooker.onInverted);
    const source = this.taken(recipe);
    const sink = new BlobSink();
    const method = methodOf(this.pipeline, recipe);
    const controllers: AttentionController[] = [
      method,
      ...(recipe.code ? [controllerOf(recipe.code, method.prompts)] : []),
      ...(onlooker.looks ? [onlooker.looks] : []),
    ];
    let latents: tf.Tensor4D | undefined;
    try {
      const run = this.pipeline.run([recipe.source, recipe.target], {
        ...runOptions(recipe),
        signal,
        controller: compose(...controllers),
        onWarning: (text) => this.tell({ type: 'note', text }),
        ...(source ? { recording: source.recording } : { record: { to: sink, self: 1 } }),
      });
      for await (const step of run) {
        latents?.dispose();
        latents = step.latents.clone();
        await onlooker.onStep?.(step, source);
      }
      if (!source) await this.keep(recipe, sink, latents!);
      return await this.picturesOf(recipe, latents!, onlooker.base ?? this.sources.get(keyOf(recipe))!);
    } finally {
      latents?.dispose();
    }
  }

  /** Shows a run from time to time, but not so often that it slows the run down. */
  private shower(id: number, recipe: Recipe): Onlooker['onStep'] {
    let since = performance.now();
    let cost = 0;
    return async ({ step, steps, latents }, source) => {
      const begins = source ? FIRST_SHOWN * steps : 0;
      const isDue = step >= begins && step < steps - 1 && performance.now() - since >= cost / SHOWING;
      if (!isDue) return this.tell({ type: 'step', id, step, steps });
      const start = performance.now();
      const pictures = source ? await this.picturesOf(recipe, latents, source) : await this.unfinished(recipe, latents);
      since = performance.now();
      cost = since - start;
      this.tell({ type: 'step', id, step, steps, ...pictures });
    };
  }

  /** The pictures of a run whose source is still being made. */
  private async unfinished(recipe: Recipe, latents: tf.Tensor4D): Promise<Pictures> {
    const [source, edit] = await this.decoded(latents);
    return { source, edit, region: isKept(recipe) ? await regionOf(latents) : undefined };
  }

  /** @param latents [2, height, width, channels], the source's and the edit's at any step */
  private async picturesOf(recipe: Recipe, latents: tf.Tensor4D, source: Source): Promise<Pictures> {
    const region = isKept(recipe) ? await regionOf(latents) : undefined;
    const ofEdit = editSoFar(latents, source);
    const [edit] = await this.decoded(ofEdit);
    ofEdit.dispose();
    return { source: source.picture, edit, region };
  }

  private async decoded(latents: tf.Tensor4D): Promise<Picture[]> {
    const images = this.pipeline.decode(latents);
    try {
      return await toPictures(images);
    } finally {
      images.dispose();
    }
  }

  /** @param latents the latents after the last step; the first row is the source's */
  private async keep(recipe: Recipe, sink: BlobSink, latents: tf.Tensor4D): Promise<void> {
    const ofSource = rowOf(latents, 0);
    const [picture] = await this.decoded(ofSource);
    const recording = await Recording.open(bytesOf(sink.blob, 'the recorded source'));
    this.sources.set(keyOf(recipe), { recording, picture, latents: ofSource });
    for (const [key, old] of [...this.sources].slice(0, -MAX_SOURCES)) {
      old.latents.dispose();
      this.sources.delete(key);
    }
  }

  private taken(recipe: Recipe): Source | undefined {
    const key = keyOf(recipe);
    const source = this.sources.get(key);
    if (source) {
      this.sources.delete(key);
      this.sources.set(key, source);
    }
    return source;
  }
}

function methodOf({ tokenizer, defaults, defaultSize, vae }: StableDiffusionPipeline, recipe: Recipe): PromptToPrompt {
  const { source, target, keep, cross, self, context, weights, blend, threshold, mask } = recipe;
  const own = plainShares(defaults.shares);
  const [width, height] = [defaultSize.width, defaultSize.height].map((side) => side / vae.pixelsPerLatent);
  return promptToPrompt({
    tokenizer,
    prompts: [source, target],
    shares: { ...own, ...mapEditKinds((kind) => sharesAt(keep, own[kind])) },
    cross,
    self,
    context,
    weights,
    blendThreshold: threshold,
    blend: blend.map(([ofSource, ofTarget]) => ({ source: ofSource, target: ofTarget })),
    mask: mask && { width, height, data: Float32Array.from(mask) },
  });
}

/**
 * An estimate of the finished edit's latents: the source's final latents plus the current difference between the edit's
 * and the source's, in which their common noise cancels out. At the last step it is the edit.
 *
 * @param latents [2, height, width, channels], the source's and the edit's @returns [1, height, width, channels]
 */
function editSoFar(latents: tf.Tensor4D, source: Source): tf.Tensor4D {
  return tf.tidy(() => tf.add(source.latents, tf.sub(rowOf(latents, 1), rowOf(latents, 0))));
}

function rowOf(latents: tf.Tensor4D, row: number): tf.Tensor4D {
  return tf.slice(latents, row, 1) as tf.Tensor4D;
}

/** Whether the edit is kept to a region. */
function isKept({ blend, mask }: Recipe): boolean {
  return blend.length > 0 || mask !== undefined;
}

/** Where the target's latents differ from the source's: outside the region, blending makes them equal. */
async function regionOf(latents: tf.Tensor4D): Promise<Mask | undefined> {
  const cells = tf.tidy(() => {
    const [source, target] = tf.unstack(latents);
    return tf.any(tf.notEqual(source, target), 2);
  });
  const values = await cells.data();
  cells.dispose();
  return values.every((cell) => cell) ? undefined : Array.from(values, (cell) => (cell ? 1 : 0));
}

function drafted(recipe: Recipe): Recipe {
  return { ...recipe, steps: Math.min(DRAFT_STEPS, recipe.steps), sampler: 'dpm++' };
}

function runOptions({ seed, steps, guidance, sampler }: Recipe) {
  return { seed, steps, guidance, sampler };
}

/** The key of a source: everything that determines it. */
function keyOf(recipe: Recipe): string {
  return JSON.stringify([recipe.source, recipe.picture, runOptions(recipe)]);
}
