import { z } from 'zod';
import { problemsIn } from '../config';
import { UnfitError } from '../errors';
import type { NetworkName } from './checkpoint';
import type { SafetensorsFile } from './safetensors';

/** diffusers' metadata key for PEFT's configs: one JSON object with `unet.lora_alpha` and so on. */
const METADATA = 'lora_adapter_metadata';

const schema = z.looseObject({
  lora_alpha: z.number().optional(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  use_rslora: z.boolean().default(false),
});

/** The factors of a LoRA's layers, as stated in its metadata (PEFT's `LoraConfig`). */
export class LoraAlphas {
  private constructor(
    private readonly file: string,
    private readonly stated: Readonly<Record<string, unknown>>,
  ) {}

  /** @throws UnfitError if the metadata is not a JSON object */
  static of({ name, metadata }: SafetensorsFile): LoraAlphas {
    const json = metadata.get(METADATA);
    try {
      return new LoraAlphas(name, z.looseObject({}).parse(JSON.parse(json ?? '{}')));
    } catch {
      throw new UnfitError(`${name}: ${METADATA} in its metadata is not a JSON object. Get the file again.`);
    }
  }

  /**
   * alpha / rank, or alpha / √rank with `use_rslora`; 1 without an alpha.
   *
   * @throws UnfitError if the metadata is not valid
   */
  factor({ network, path }: { readonly network: NetworkName; readonly path: string }, rank: number): number {
    const json = this.of(network);
    const { success, data, error } = schema.safeParse(json);
    if (!success) throw new UnfitError(problemsIn(error, json, `${this.file}: ${METADATA} of ${network}`));
    const patterns = Object.entries(data.alpha_pattern ?? {});
    const [, ofLayer] = patterns.find(([pattern]) => this.matches(pattern, path)) ?? [];
    const alpha = ofLayer ?? data.lora_alpha;
    if (alpha === undefined) return 1;
    return alpha / (data.use_rslora ? Math.sqrt(rank) : rank);
  }

  private of(network: NetworkName): Record<string, unknown> {
    const own = Object.entries(this.stated).filter(([key]) => key.startsWith(`${network}.`));
    return Object.fromEntries(own.map(([key, value]) => [key.slice(network.length + 1), value]));
  }

  /**
   * In PEFT, a name matches the end of a path or, after `^`, the whole path. Other patterns are not used in practice.
   */
  private matches(pattern: string, path: string): boolean {
    const name = pattern.replace(/^\^/, '').replaceAll('\\.', '.');
    if (!/^[\w.]+$/.test(name))
      throw new UnfitError(
        `${this.file}: ${METADATA} has the pattern ${JSON.stringify(pattern)}, but only names of layers are supported.`,
      );
    const paths = [path, path.replace(/^text_model\./, '')];
    return paths.some((one) => one === name || (!pattern.startsWith('^') && one.endsWith(`.${name}`)));
  }
}
