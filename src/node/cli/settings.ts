import { resolve } from 'node:path';
import { z } from 'zod';
import { AUTHORS_DEFAULTS, shareSchema } from '../../defaults';
import { BLEND_THRESHOLD } from '../../edits/prompt-to-prompt/localBlend';
import { SAMPLERS } from '../../sampler/sampler';
import { DEFAULTS } from '../../session/options';
import { EMBEDDED } from '../checkpoint';
import * as read from './read';

/** How a setting is given on the command line. The name of a setting is its option's in camel case. */
export interface OptionForm {
  /** In commander's notation, such as `--steps <n>`. */
  readonly flags: string;
  readonly help: string;
  /** From the option's text, and what it was given before if it may be repeated, to a value for the schema. */
  readonly read: (text: string, before?: never) => unknown;
}

/** The command-line form of each setting below. */
export const optionForms = z.registry<OptionForm>();

/** A schema of its own each time: what is registered for one setting must not be another's. */
const text = () => z.string().trim().min(1, 'Expected some text');
const pair = z.tuple([text(), text()]);

/** What makes a picture. */
export const generation = {
  model: text().default(EMBEDDED).register(optionForms, {
    flags: '--model <model>',
    read: read.text,
    help: 'a folder in the diffusers layout, a single .safetensors file, or a name on the hub that was pulled',
  }),
  seed: z.int().min(0).default(DEFAULTS.seed).register(optionForms, {
    flags: '--seed <n>',
    read: read.number,
    help: "of the starting noise; the same as of PyTorch's generator",
  }),
  steps: z.int().min(1).max(1000).default(AUTHORS_DEFAULTS.steps).register(optionForms, {
    flags: '--steps <n>',
    read: read.number,
    help: 'denoising steps',
  }),
  guidance: z.number().default(AUTHORS_DEFAULTS.guidance).register(optionForms, {
    flags: '--guidance <g>',
    read: read.number,
    help: 'how strongly the picture follows the prompt; 1 is no guidance',
  }),
  sampler: z.enum(SAMPLERS).default(AUTHORS_DEFAULTS.sampler).register(optionForms, {
    flags: '--sampler <name>',
    read: read.text,
    help: 'ddim or dpm++',
  }),
  height: z.int().min(1).optional().register(optionForms, {
    flags: '--height <pixels>',
    read: read.number,
    help: "of the picture; by default the model's own",
  }),
  width: z.int().min(1).optional().register(optionForms, {
    flags: '--width <pixels>',
    read: read.number,
    help: "of the picture; by default the model's own",
  }),
  negative: z.string().default(DEFAULTS.negative).register(optionForms, {
    flags: '--negative <text>',
    read: read.text,
    help: 'what the picture should not show',
  }),
  backend: text().optional().register(optionForms, {
    flags: '--backend <name>',
    read: read.text,
    help: 'what to compute with (see p2p backends); by default the best there is',
  }),
  /** Of the program that wrote the settings: a note. */
  version: z.string().optional(),
};

const prompt = text().register(optionForms, {
  flags: '--prompt <text>',
  read: read.text,
  help: 'what the picture should show',
});

/** What p2p generate and p2p attend need, and generate.json and attend.json hold. */
export const generateSettings = z.strictObject({ prompt, ...generation });
export type GenerateSettings = z.output<typeof generateSettings>;

/** What p2p edit needs, and edit.json holds. */
export const editSettings = z.strictObject({
  source: text().register(optionForms, {
    flags: '--source <text>',
    read: read.text,
    help: 'the prompt of the picture to edit',
  }),
  target: z.array(text()).min(1).register(optionForms, {
    flags: '--target <text>',
    read: read.list,
    help: 'the edited prompt; repeat for several edits of one source',
  }),
  cross: shareSchema().default(0.8).register(optionForms, {
    flags: '--cross <f>',
    read: read.share,
    help: "share of the steps in which the edit takes the source's cross-attention",
  }),
  crossWord: z.record(text(), shareSchema()).default({}).register(optionForms, {
    flags: '--cross-word <word=f>',
    read: read.wordShare,
    help: 'the same for one word of the targets; repeat for several',
  }),
  self: shareSchema().default(0.4).register(optionForms, {
    flags: '--self <f>',
    read: read.share,
    help: "share of the steps in which the edit takes the source's self-attention",
  }),
  selfSize: z.int().min(1).optional().register(optionForms, {
    flags: '--self-size <n>',
    read: read.number,
    help: 'take it at grids of up to n x n; by default by the size of the latents',
  }),
  context: shareSchema().default(0).register(optionForms, {
    flags: '--context <f>',
    read: read.share,
    help: "share of the steps in which words that both prompts have mean what they meant in the source's sentence",
  }),
  contextWord: z.record(text(), shareSchema()).default({}).register(optionForms, {
    flags: '--context-word <word=f>',
    read: read.wordShare,
    help: 'the same for one word of the targets; repeat for several',
  }),
  weight: z.record(text(), z.number()).default({}).register(optionForms, {
    flags: '--weight <word=f>',
    read: read.wordNumber,
    help: "multiply a word's attention in the targets, by less than 0 too; repeat for several",
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
  blendThreshold: z.number().min(0).lt(1).default(BLEND_THRESHOLD).register(optionForms, {
    flags: '--blend-threshold <f>',
    read: read.number,
    help: 'share of their strongest look that makes a place belong to the region: the lower, the larger it is',
  }),
  recording: text()
    .transform((file) => resolve(file))
    .optional()
    .register(optionForms, {
      flags: '--recording <file>',
      read: read.text,
      help: 'take the source, and all settings of its run that are not given, from what --record wrote: only the targets are computed',
    }),
  ...generation,
});
export type EditSettings = z.output<typeof editSettings>;
