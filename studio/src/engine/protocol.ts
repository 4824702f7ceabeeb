import type { AttentionSite, Defaults, EditKind, Picture, SamplerName } from 'prompt-to-prompt-tfjs';

export type { EditKind, SamplerName };

/** The messages between the page and its worker. */

/** How the source's picture is made. */
export interface PictureSettings {
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly sampler: SamplerName;
}

/** Shares of the steps, each from the first step on. */
export interface Shares {
  readonly cross: number;
  readonly self: number;
  readonly context: number;
}

/** Which cells of the latents an edit may change, painted by hand: row by row, 1 where it may. */
export type Mask = readonly (0 | 1)[];

/** A word of the source and the word that takes its place in the target. */
export type WordPair = readonly [source: string, target: string];

/** The model's shares for each kind of edit. */
export type SharesByKind = Readonly<Record<EditKind, Shares>> & Pick<Defaults['shares'], 'describing'>;

/** Everything that defines an edit. */
export interface Recipe extends PictureSettings, Partial<Shares> {
  readonly source: string;
  readonly target: string;
  /**
   * How much of the source to keep, 0 to 1; 0.5 means the model's own shares. Shares given explicitly take precedence.
   */
  readonly keep: number;
  /** Factors for words of the target. */
  readonly weights: Readonly<Record<string, number>>;
  readonly blend: readonly WordPair[];
  readonly threshold: number;
  readonly mask?: Mask;
  /** The name of a picture of the user's own, given to the worker before; the source prompt then says what it shows. */
  readonly picture?: string;
  /** JavaScript that returns a controller. */
  readonly code?: string;
}

export type Backend = 'wasm' | 'webgpu';

/** Where a model is: a manifest's URL, a folder or a file from disk. */
export type ModelPlace = string | FileSystemDirectoryHandle | readonly File[] | File;

export type Request =
  | { readonly type: 'load'; readonly model: ModelPlace; readonly backend?: Backend }
  /** A picture of the user's own, for recipes that name it. */
  | { readonly type: 'picture'; readonly name: string; readonly picture: Picture }
  /** Replaces any rendering before it. A coarse one makes a draft first, and lets a draft in progress finish. */
  | { readonly type: 'render'; readonly id: number; readonly recipe: Recipe; readonly coarse: boolean }
  /** The same edit at several shares. */
  | { readonly type: 'strip'; readonly id: number; readonly recipes: readonly Recipe[] }
  | { readonly type: 'stop' };

/** The loaded model, and the backend that computes it. */
export interface ModelInfo {
  readonly name: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** The latents' size. */
  readonly grid: { readonly width: number; readonly height: number };
  /** How many tokens a prompt may have. */
  readonly tokens: number;
  /** The words that the model knows, in order; empty if it spells any word. */
  readonly words: readonly string[];
  readonly backend: Backend;
  readonly threads: number;
  readonly device?: string;
  /** Notes on what is not available, although everything works. */
  readonly notes: readonly string[];
  readonly defaults: PictureSettings & {
    readonly shares: SharesByKind;
    /** The guidance for a picture of the user's own. */
    readonly pictureGuidance: number;
  };
}

/** The attention to a prompt's words in a run, averaged over heads. */
export interface WordLooks {
  /** Separated by spaces. */
  readonly words: readonly string[];
  readonly grid: { readonly width: number; readonly height: number };
  /** [steps, words, cells]: at the largest grid that determines the layout, averaged over its layers. */
  readonly steps: Float32Array;
  readonly layers: readonly LayerLooks[];
}

/** One layer's attention, averaged over all steps. */
export interface LayerLooks {
  readonly path: string;
  readonly place: AttentionSite['place'];
  readonly grid: { readonly width: number; readonly height: number };
  readonly heads: number;
  /** [heads, words, cells] */
  readonly values: Float32Array;
}

/** The pictures of an edit. */
export interface Pictures {
  readonly source: Picture;
  readonly edit: Picture;
  /** Where the edit may change the picture, in cells of the latents; undefined for everywhere. */
  readonly region?: Mask;
}

export interface Result extends Pictures {
  readonly seconds: number;
  readonly looks: { readonly source: WordLooks; readonly edit: WordLooks };
}

export type Report =
  /** The worker holds the lock of its name from now on, for as long as it lives. */
  | { readonly type: 'alive' }
  | { readonly type: 'loading'; readonly what: string; readonly done: number; readonly total: number }
  | { readonly type: 'ready'; readonly info: ModelInfo }
  | {
      readonly type: 'step';
      readonly id: number;
      readonly step: number;
      readonly steps: number;
      readonly source?: Picture;
      readonly edit?: Picture;
      readonly region?: Mask;
    }
  /** A draft of the edit, half-way and at its end. */
  | { readonly type: 'draft'; readonly id: number; readonly draft: Pictures }
  | { readonly type: 'result'; readonly id: number; readonly result: Result }
  | { readonly type: 'strip'; readonly id: number; readonly index: number; readonly picture: Picture }
  /** Nothing is being computed. */
  | { readonly type: 'idle'; readonly id: number; readonly bytes: number }
  /** Something odd that is not an error, such as a truncated prompt. */
  | { readonly type: 'note'; readonly text: string }
  /** The stop request was received. */
  | { readonly type: 'stopped' }
  | {
      readonly type: 'failed';
      readonly id?: number;
      readonly message: string;
      readonly line?: number;
      readonly from?: 'controller' | 'device' | 'memory' | 'endless';
    };
