import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Parameter } from '../../src/nn/scope';
import { fileBytes } from '../../src/node/fileSource';
import type { NetworkName } from '../../src/weights/checkpoint';
import { loadParameters } from '../../src/weights/load';
import { canonicalNames } from '../../src/weights/names';
import { SafetensorsFile } from '../../src/weights/safetensors';

export const FIXTURES = 'test/fixtures/model';

/** A network of test/fixtures/model, with inputs and diffusers' or transformers' outputs. */
export class Variant {
  constructor(readonly name: string) {}

  get config(): unknown {
    return JSON.parse(readFileSync(join(FIXTURES, this.name, 'config.json'), 'utf8'));
  }

  async load<N extends { parameters: ReadonlyMap<string, Parameter> }>(part: NetworkName, network: N): Promise<N> {
    await loadParameters(network.parameters, canonicalNames(part, await this.open('weights')));
    return network;
  }

  /** An input or an output. */
  async tensor<T extends tf.Tensor>(key: string): Promise<T> {
    const file = await this.open('tensors');
    return tf.tensor(await file.read(key), [...(file.tensors.get(key)?.shape ?? [])]) as T;
  }

  private async open(what: string): Promise<SafetensorsFile> {
    return SafetensorsFile.open(await fileBytes(join(FIXTURES, this.name, `${what}.safetensors`)));
  }
}
