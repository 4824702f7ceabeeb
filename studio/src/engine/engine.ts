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
  type Picture,
  type PromptToPrompt,
  place,
  promptToPrompt,
  Recording,
  type StableDiffusionPipeline,
  toPictures,
} from 'prompt-to-prompt-tfjs';
import { brushedMask } from './brushed';
import { controllerOf } from './custom';
import { recordLooks } from './looks';
import type { EditKind, Mask, Recipe, Report, Result, Shares, Stage } from './protocol';
import { plainShares, sharesAt } from './shares';

/** Steps of a draft: as few as still show what the picture will be. */
const DRAFT_STEPS = 6;
/** Recorded sources that are kept. */
const MAX_SOURCES = 6;
/** Pictures that show a run as it goes may take this part of its time. */
const SHOWING = 0.1;

type Tell = (report: Report) => void;

/** A source whose run was recorded. */
interface Source {
  readonly recording: Recording;
  readonly picture: Picture;
}

/** Makes pictures, one rendering at a time. */
export class Engine {
  /** Least recently used first. */
  private readonly sources = new Map<string, Source>();

  constructor(
    private readonly pipeline: StableDiffusionPipeline,
    /** Of one's own, by name. */
    private readonly pictures: ReadonlyMap<string, Picture>,
    private readonly tell: Tell,
  ) {}

  /** The edit: from the recorded source a draft and then the picture; without one both together, which makes the recording. */
  async render(id: number, recipe: Recipe, signal: AbortSignal): Promise<void> {
    const draft = drafted(recipe);
    if (this.sources.has(keyOf(recipe)) && this.sources.has(keyOf(draft))) {
      this.tell({ type: 'result', id, result: await this.make(id, draft, 'draft', signal) });
    }
    this.tell({ type: 'result', id, result: await this.make(id, recipe, 'final', signal) });
    this.tell({ type: 'idle', id, bytes: tf.memory().numBytes });
    if (!this.sources.has(keyOf(draft))) await this.record(draft, signal);
  }

  /** Drafts of several edits. */
  async strip(id: number, recipes: readonly Recipe[], signal: AbortSignal): Promise<void> {
    for (const [index, recipe] of recipes.entries()) {
      const { edit } = await this.make(id, drafted(recipe), 'draft', signal);
      this.tell({ type: 'strip', id, index, picture: edit });
    }
    this.tell({ type: 'idle', id, bytes: tf.memory().numBytes });
  }

  /** Records a source, so that the next change of its edit shows a draft at once. */
  private async record(recipe: Recipe, signal: AbortSignal): Promise<void> {
    if (recipe.picture !== undefined) return this.invert(0, recipe, 'draft', signal);
    const sink = new BlobSink();
    const { images, ...rest } = await this.pipeline.generate([recipe.source], {
      ...runOptions(recipe),
      signal,
      record: { to: sink, self: 1 },
      onWarning: () => undefined,
    });
    const [picture] = await toPictures(images);
    tf.dispose([images, ...Object.values(rest)] as tf.Tensor[]);
    await this.keep(recipe, sink, picture);
  }

  /** Records the way of a picture of one's own to noise and back, by direct inversion: edits then begin there. */
  private async invert(id: number, recipe: Recipe, stage: Stage, signal: AbortSignal): Promise<void> {
    const given = this.pictures.get(recipe.picture!);
    if (!given) throw new Error('The picture is no longer there. Open it again.');
    const { defaultSize: size } = this.pipeline;
    const image = fromPictures([fitPicture(given, place(given, size))]);
    const latents = this.pipeline.toLatents(image);
    const sink = new BlobSink();
    let inversion: Inversion | undefined;
    try {
      const { steps, guidance, sampler } = recipe;
      const onStep = (step: number): void => {
        if (stage === 'final') this.tell({ type: 'step', id, step, steps });
      };
      inversion = await invert(this.pipeline, latents, { prompt: recipe.source, steps, guidance, sampler, signal });
      await inversion.record(this.pipeline, { to: sink, self: 1 }, { signal, onStep });
      const [picture] = await this.decoded(latents);
      await this.keep(recipe, sink, picture);
    } finally {
      inversion?.dispose();
      tf.dispose([image, latents]);
    }
  }

  private async make(id: number, recipe: Recipe, stage: Stage, signal: AbortSignal): Promise<Result> {
    const start = performance.now();
    if (recipe.picture !== undefined && !this.sources.has(keyOf(recipe))) await this.invert(id, recipe, stage, signal);
    const source = this.taken(recipe);
    const method = methodOf(this.pipeline, recipe);
    const looks = recordLooks(method.prompts);
    const sink = source ? undefined : new BlobSink();
    const controllers: AttentionController[] = [
      method,
      ...(recipe.mask ? [brushedMask(recipe.mask)] : []),
      ...(recipe.code ? [controllerOf(recipe.code, method.prompts)] : []),
      looks,
    ];
    const show = this.shower(id, recipe, source !== undefined);
    let latents: tf.Tensor4D | undefined;
    try {
      const run = this.pipeline.run([recipe.source, recipe.target], {
        ...runOptions(recipe),
        signal,
        controller: compose(...controllers),
        onWarning: (text) => this.tell({ type: 'note', text }),
        ...(source ? { recording: source.recording } : { record: { to: sink!, self: 1 } }),
      });
      for await (const step of run) {
        latents?.dispose();
        latents = step.latents.clone();
        if (stage === 'final') await show(step);
      }
      const [first, edit] = await this.decoded(latents!);
      const picture = source?.picture ?? first;
      if (sink) await this.keep(recipe, sink, picture);
      const [ofSource, ofEdit] = await looks.read();
      return {
        stage,
        source: picture,
        edit,
        kind: method.edits[0],
        looks: { source: ofSource, edit: ofEdit },
        region: isKept(recipe) ? await regionOf(latents!) : undefined,
        seconds: (performance.now() - start) / 1000,
      };
    } finally {
      latents?.dispose();
      looks.dispose();
    }
  }

  /** Decodes a step's pictures now and then: not so often that it would slow the run down. */
  private shower(id: number, recipe: Recipe, editOnly: boolean): (step: DenoisingStep) => Promise<void> {
    let since = performance.now();
    let cost = 0;
    return async ({ step, steps, latents }) => {
      const now = performance.now();
      const due = step < steps - 1 && (cost === 0 || now - since > cost / SHOWING);
      if (!due) return this.tell({ type: 'step', id, step, steps });
      const shown = editOnly ? (tf.slice(latents, [1, 0, 0, 0]) as tf.Tensor4D) : latents.clone();
      const pictures = await this.decoded(shown);
      shown.dispose();
      since = performance.now();
      cost = since - now;
      return this.tell({
        type: 'step',
        id,
        step,
        steps,
        source: editOnly ? undefined : pictures[0],
        edit: pictures[pictures.length - 1],
        region: isKept(recipe) ? await regionOf(latents) : undefined,
      });
    };
  }

  private async decoded(latents: tf.Tensor4D): Promise<Picture[]> {
    const images = this.pipeline.decode(latents);
    try {
      return await toPictures(images);
    } finally {
      images.dispose();
    }
  }

  private async keep(recipe: Recipe, sink: BlobSink, picture: Picture): Promise<void> {
    const recording = await Recording.open(bytesOf(sink.blob, 'the recorded source'));
    this.sources.set(keyOf(recipe), { recording, picture });
    for (const key of [...this.sources.keys()].slice(0, -MAX_SOURCES)) this.sources.delete(key);
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

function methodOf({ tokenizer, defaults }: StableDiffusionPipeline, recipe: Recipe): PromptToPrompt {
  const { source, target, keep, cross, self, context, weights, blend, threshold } = recipe;
  const at = (kind: EditKind): Shares => sharesAt(keep, plainShares(defaults.shares)[kind]);
  return promptToPrompt({
    tokenizer,
    prompts: [source, target],
    shares: { replace: at('replace'), refine: at('refine'), reweight: at('reweight') },
    cross,
    self,
    context,
    weights,
    blendThreshold: threshold,
    blend: blend.map(([ofSource, ofTarget]) => ({ source: ofSource, target: ofTarget })),
  });
}

/** Whether the edit is kept to a region. */
function isKept({ blend, mask }: Recipe): boolean {
  return blend.length > 0 || mask !== undefined;
}

/** Where the target's latents are not the source's: outside of its region, blending makes them the same. */
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

/** What makes a source the same. */
function keyOf(recipe: Recipe): string {
  return JSON.stringify([recipe.source, recipe.picture, runOptions(recipe)]);
}
