import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { PromptToPromptOptions, WordPair } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import { fileBytes } from '../../src/node/fileSource';
import { SafetensorsFile } from '../../src/weights/safetensors';

const FOLDER = 'test/fixtures/attention';

export interface Case extends Omit<PromptToPromptOptions, 'tokenizer' | 'edit'> {
  readonly name: string;
  /** The kind of edit for which the authors' class was used. */
  readonly kind: 'replace' | 'refine';
  /** Whether it was also run on the small checkpoint. */
  readonly run?: boolean;
}

/** The edits made with the authors' code: see test/fixtures/attention.py. */
export function readCases(): Case[] {
  const cases = JSON.parse(readFileSync(join(FOLDER, 'cases.json'), 'utf8')) as Record<string, Omit<Case, 'name'>>;
  const pairs = (words?: readonly WordPair[]): WordPair[] | undefined =>
    (words as unknown as [string, string][] | undefined)?.map(([source, target]) => ({ source, target }));
  return Object.entries(cases).map(([name, { blend, blendMinus, ...rest }]) => ({
    name,
    ...rest,
    blend: pairs(blend),
    blendMinus: pairs(blendMinus),
  }));
}

export class Tensors {
  private constructor(private readonly file: SafetensorsFile) {}

  static async open(name: string): Promise<Tensors> {
    return new Tensors(await SafetensorsFile.open(await fileBytes(join(FOLDER, name))));
  }

  has(key: string): boolean {
    return this.file.tensors.has(key);
  }

  async read<T extends tf.Tensor>(key: string): Promise<T> {
    return tf.tensor(await this.file.read(key), [...this.file.tensors.get(key)!.shape]) as T;
  }
}
