import { resolve } from 'node:path';
import { z } from 'zod';
import { BACKEND_CHOICES } from '../../backend/names';
import { shareSchema, sharesByKind } from '../../defaults';
import { BLEND_THRESHOLD } from '../../edits/prompt-to-prompt/shares';
import { MAX_GUIDANCE } from '../../guidance/maxGuidance';
import { FITS } from '../../image/placement';
import { INVERSIONS } from '../../inversion/names';
import { SAMPLERS, samplersWith } from '../../sampler/schedulers';
import { DEFAULTS } from '../../session/options';
import { EMBEDDED } from '../embedded';
import { isData } from '../readBytes';
import { FRACTION, isWhole, wholeNumber } from './numbers';
import * as read from './read';

/** A setting's form on the command line. A setting's name is its option's name in camel case. */
export interface OptionForm {
  /** In commander's notation, such as `--steps <n>`. */
  readonly flags: string;
  readonly help: string;
  /**
   * Parses the option's text, with the previous value if it may be repeated, to a value for the schema; undefined for a
   * flag.
   */
  readonly read?: (text: string, before?: never) => unknown;
}

/** The command-line form of each setting below. */
export const optionForms = z.registry<OptionForm>();

/** The sides of the largest sensible attention grid, and of the largest picture, in pixels. */
export const MAX_GRID = 2 ** 16;
export const MAX_SIDE = 2 ** 14;
/** Larger factors have no effect, and float32 would overflow. */
const MAX_FACTOR = 1000;

const whole = (from: number, to: number) =>
  z.custom<number>((value) => typeof value === 'number' && isWhole(value, from, to), wholeNumber(from, to));
const between = (least: number, most: number) => {
  const expected = `Expected a number from ${least} to ${most}`;
  return z.number(expected).min(least, expected).max(most, expected);
};
const factor = () => between(-MAX_FACTOR, MAX_FACTOR);

const fraction = () => z.custom<number>((value) => typeof value === 'number' && value >= 0 && value <= 1, FRACTION);

const SEED = 'Expected a whole number from -2^63 to 2^64 - 1 (in a file, as text from 2^53 on)';

/** PyTorch's range of seeds; large ones are text, because JSON numbers are limited to 2^53. */
const seed = () =>
  z
    .union(
      [
        z.int(),
        z.bigint(),
        z
          .string()
          .regex(/^[+-]?\d{1,20}$/)
          .transform(read.integer),
      ],
      SEED,
    )
    .refine((value) => value >= -(2n ** 63n) && value < 2n ** 64n, SEED);

/** A value for each of several words; unlike `z.record`, it accepts any word as a key. */
const perWord = <T>(value: z.ZodType<T>) =>
  z
    .custom<Record<string, unknown>>(
      (given) => typeof given === 'object' && given !== null && !Array.isArray(given),
      'Expected an object of words',
    )
    .transform((given, context) => {
      const entries = Object.entries(given).map(([word, input]) => {
        const { success, data, error } = value.safeParse(input);
        if (!success) context.addIssue({ code: 'custom', message: error.issues[0].message, path: [word], input });
        return [word, data as T] as const;
      });
      return Object.fromEntries(entries) as Record<string, T>;
    });

/** A new schema each time, because each setting registers its own option form. */
const text = () => z.string().trim().min(1, 'Expected some text');
/** A path, or the file's contents as a `data:` URL. */
const file = () => text().transform((path) => (isData(path) ? path : resolve(path)));
const pair = z.tuple([text(), text()]);

const MODELS = "(default: the model's)";

const side = (name: 'height' | 'width') =>
  whole(1, MAX_SIDE)
    .optional()
    .register(optionForms, {
      flags: `--${name} <pixels>`,
      read: read.number,
      help: `${name} of the picture ${MODELS}`,
    });

/** The settings of a generation. */
export const generation = {
  model: text().default(EMBEDDED).register(optionForms, {
    flags: '--model <model>',
    read: read.text,
    help: 'a folder in the diffusers layout, a single .safetensors file, or the name of a pulled model',
  }),
  lora: z
    .array(z.strictObject({ file: file(), scale: factor().default(1) }))
    .default([])
    .register(optionForms, {
      flags: '--lora <file:scale>',
      read: read.lora,
      help: "a LoRA's .safetensors file to add to the model, and its scale (default: 1); repeat for several",
    }),
  variant: text().optional().register(optionForms, {
    flags: '--variant <name>',
    read: read.text,
    help: "which of a diffusers folder's weights, such as fp16 (default: those without a variant, or the only one)",
  }),
  seed: seed().default(DEFAULTS.seed).register(optionForms, {
    flags: '--seed <n>',
    read: read.integer,
    help: "seed of the starting noise, which is that of PyTorch's generator",
  }),
  steps: whole(1, 1000)
    .optional()
    .register(optionForms, {
      flags: '--steps <n>',
      read: read.number,
      help: `denoising steps ${MODELS}`,
    }),
  guidance: factor()
    .optional()
    .register(optionForms, {
      flags: '--guidance <g>',
      read: read.number,
      help: `how strongly the picture follows the prompt; at 1 or less there is no guidance, only the prompt ${MODELS}`,
    }),
  projectAbove: between(0, MAX_GUIDANCE)
    .optional()
    .register(optionForms, {
      flags: '--project-above <g>',
      read: read.number,
      help: `guidance above this is projected, so that it does not burn pictures out ${MODELS}`,
    }),
  sampler: z
    .enum(SAMPLERS)
    .optional()
    .register(optionForms, {
      flags: '--sampler <name>',
      read: read.text,
      help: `${SAMPLERS.join(' or ')} ${MODELS}`,
    }),
  height: side('height'),
  width: side('width'),
  negative: z
    .string()
    .optional()
    .register(optionForms, {
      flags: '--negative <text>',
      read: read.text,
      help: `what the picture should not show ${MODELS}`,
    }),
  backend: z
    .enum(BACKEND_CHOICES)
    .optional()
    .register(optionForms, {
      flags: '--backend <name>',
      read: read.text,
      help: `what to compute with: ${BACKEND_CHOICES.join(', ')} (default: the best available, see p2p backends)`,
    }),
  eta: fraction()
    .optional()
    .register(optionForms, {
      flags: '--eta <f>',
      read: read.number,
      help: `for ${samplersWith('eta')}: share of fresh noise in each step, 0 to 1 (default: 0)`,
    }),
  karras: z
    .boolean()
    .optional()
    .register(optionForms, {
      flags: '--karras',
      help: `for ${samplersWith('karras')}: Karras noise levels ${MODELS}`,
    }),
  /** The version of the program that wrote the settings, as a note. */
  version: z.string().optional(),
  /** Which settings were not given and so came from the model. */
  fromModel: z.array(z.string()).default([]),
};

/** How a model is opened, for commands that do not generate a picture. */
export const openSettings = z.strictObject({ lora: generation.lora, variant: generation.variant });
export type OpenSettings = z.output<typeof openSettings>;

const prompt = text().register(optionForms, {
  flags: '--prompt <text>',
  read: read.text,
  help: 'what the picture should show',
});

/** The settings of p2p generate, and the contents of generate.json. */
export const generateSettings = z.strictObject({ prompt, ...generation });
export type GenerateSettings = z.output<typeof generateSettings>;

const FEATHER = `Expected a number of pixels from 0 to ${MAX_SIDE}`;
const THRESHOLD = 'Expected a fraction from 0 to less than 1';

/** How a user's own picture is inverted; all undefined for a generated picture. */
const ofPicture = {
  inversion: z
    .enum(INVERSIONS)
    .optional()
    .register(optionForms, {
      flags: '--inversion <method>',
      read: read.text,
      help: `how the picture is taken to noise: ${INVERSIONS.join(', ')} (default: direct)`,
    }),
  inversionIterations: whole(1, 1000).optional().register(optionForms, {
    flags: '--inversion-iterations <n>',
    read: read.number,
    help: 'iterations in each step, for null-text (default: 10) and fixed-point (default: 3)',
  }),
  fit: z.enum(FITS).optional().register(optionForms, {
    flags: '--fit <how>',
    read: read.text,
    help: "how the picture is fitted to the model's size: cover, contain or stretch (default: cover)",
  }),
};

const image = () =>
  file().optional().register(optionForms, {
    flags: '--image <file>',
    read: read.text,
    help: 'a picture of your own instead of a generated one: PNG, JPEG, WebP, AVIF or GIF; the prompt says what it shows',
  });

/** The settings of p2p attend, and the contents of attend.json. */
export const attendSettings = z.strictObject({ prompt, image: image(), ...ofPicture, ...generation });
export type AttendSettings = z.output<typeof attendSettings>;

/** The settings of p2p invert, and the contents of invert.json. */
export const invertSettings = z.strictObject({
  image: file(),
  prompt: z.string().trim().default('').register(optionForms, {
    flags: '--prompt <text>',
    read: read.text,
    help: 'what the picture shows',
  }),
  ...ofPicture,
  ...generation,
});
export type InvertSettings = z.output<typeof invertSettings>;

/** The settings of p2p edit, and the contents of edit.json. */
export const editSettings = z.strictObject({
  image: image(),
  ...ofPicture,
  source: z.string().trim().register(optionForms, {
    flags: '--source <text>',
    read: read.text,
    help: 'the prompt of the picture to edit',
  }),
  target: z.array(text()).min(1).register(optionForms, {
    flags: '--target <text>',
    read: read.list,
    help: 'the edited prompt; repeat for several edits of one source',
  }),
  cross: shareSchema()
    .optional()
    .register(optionForms, {
      flags: '--cross <f>',
      read: read.share,
      help: `share of the steps in which the edit takes the source's cross-attention ${MODELS}`,
    }),
  crossWord: perWord(shareSchema()).default({}).register(optionForms, {
    flags: '--cross-word <word=f>',
    read: read.wordShare,
    help: 'the same for one word of the targets; repeat for several',
  }),
  self: shareSchema()
    .optional()
    .register(optionForms, {
      flags: '--self <f>',
      read: read.share,
      help: `share of the steps in which the edit takes the source's self-attention ${MODELS}`,
    }),
  selfSize: whole(1, MAX_GRID).optional().register(optionForms, {
    flags: '--self-size <n>',
    read: read.number,
    help: "take self-attention at grids of up to n x n (default: from the latents' size)",
  }),
  context: shareSchema()
    .optional()
    .register(optionForms, {
      flags: '--context <f>',
      read: read.share,
      help: `share of the steps in which words of both prompts keep the meaning they had in the source's sentence ${MODELS}`,
    }),
  contextWord: perWord(shareSchema()).default({}).register(optionForms, {
    flags: '--context-word <word=f>',
    read: read.wordShare,
    help: 'the same for one word of the targets; repeat for several',
  }),
  weight: perWord(factor()).default({}).register(optionForms, {
    flags: '--weight <word=f>',
    read: read.wordNumber,
    help: 'multiply the attention to a word of the targets, also by a negative number; repeat for several',
  }),
  blend: z.array(pair).default([]).register(optionForms, {
    flags: '--blend <source:target>',
    read: read.pairs,
    help: 'change the picture only where these words look; repeat for several',
  }),
  blendMinus: z.array(pair).default([]).register(optionForms, {
    flags: '--blend-minus <source:target>',
    read: read.pairs,
    help: 'but not where these words look; repeat for several',
  }),
  blendThreshold: z
    .number(THRESHOLD)
    .min(0, THRESHOLD)
    .lt(1, THRESHOLD)
    .default(BLEND_THRESHOLD)
    .register(optionForms, {
      flags: '--blend-threshold <f>',
      read: read.number,
      help: 'how much the words must look at a place of the region, as a share of their strongest look; lower makes it larger',
    }),
  mask: file().optional().register(optionForms, {
    flags: '--mask <file>',
    read: read.text,
    help: 'a mask: the picture may change where it is white, and in part where it is grey',
  }),
  maskFeather: z.number(FEATHER).min(0, FEATHER).max(MAX_SIDE, FEATHER).optional().register(optionForms, {
    flags: '--mask-feather <pixels>',
    read: read.number,
    help: "soften the mask's edges over this many pixels to either side (default: 0)",
  }),
  maskMode: z.enum(['within', 'union']).optional().register(optionForms, {
    flags: '--mask-mode <mode>',
    read: read.text,
    help: "with --blend: within both the mask and the words' region, or in their union (default: within)",
  }),
  edit: z.enum(['replace', 'refine']).optional().register(optionForms, {
    flags: '--edit <kind>',
    read: read.text,
    help: 'how words are aligned: replace (swapped one for one) or refine (added or removed) (default: from the prompts)',
  }),
  alignment: z.enum(['corrected', 'authors']).default('corrected').register(optionForms, {
    flags: '--alignment <rule>',
    read: read.text,
    help: "how words after a swap find their source: corrected, or, for comparison, shifted as in the authors' code (authors)",
  }),
  /** What each kind of edit takes from the source, if `cross`, `self` and `context` are not given. */
  shares: sharesByKind.optional(),
  recording: text()
    .transform((file) => resolve(file))
    .optional()
    .register(optionForms, {
      flags: '--recording <file>',
      read: read.text,
      help: 'take the source, and all settings of its run that you leave out, from what --record wrote; computes only the targets',
    }),
  ...generation,
});
export type EditSettings = z.output<typeof editSettings>;
