import { z } from 'zod';
import { CheckpointError } from '../errors';
import type { NetworkName } from './checkpoint';
import type { SafetensorsFile } from './safetensors';

/** What diffusers calls the configs of PEFT in a file's metadata: one JSON object, `unet.lora_alpha` and so on. */
const METADATA = 'lora_adapter_metadata';

const schema = z.looseObject({
  lora_alpha: z.number().optional(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  use_rslora: z.boolean().default(false),
});

/** What products of a LoRA's matrices are multiplied by, as far as its metadata say: PEFT's `LoraConfig`. */
export class LoraAlphas {
  private constructor(
    private readonly file: string,
    private readonly stated: Readonly<Record<string, unknown>>,
  ) {}

  /** @throws CheckpointError if the metadata are not JSON */
  static of({ name, metadata }: SafetensorsFile): LoraAlphas {
    const json = metadata.get(METADATA);
    try {
      return new LoraAlphas(name, z.looseObject({}).parse(JSON.parse(json ?? '{}')));
    } catch {
      throw new CheckpointError(`${name}: ${METADATA} in its metadata is not a JSON object. Get the file again.`);
    }
  }

  /** alpha / rank, or with `use_rslora` alpha / √rank; without an alpha 1. @throws CheckpointError */
  factor({ network, path }: { readonly network: NetworkName; readonly path: string }, rank: number): number {
    const { success, data, error } = schema.safeParse(this.of(network));
    if (!success) throw new CheckpointError(`${this.file}: ${METADATA} of ${network}: ${z.prettifyError(error)}`);
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

  /** PEFT takes a name for the end of a path, and after `^` for all of it. Other patterns nobody writes. */
  private matches(pattern: string, path: string): boolean {
    const name = pattern.replace(/^\^/, '').replaceAll('\\.', '.');
    if (!/^[\w.]+$/.test(name))
      throw new CheckpointError(
        `${this.file}: ${METADATA} has the pattern ${JSON.stringify(pattern)}, and only names of layers are supported.`,
      );
    const paths = [path, path.replace(/^text_model\./, '')];
    return paths.some((one) => one === name || (!pattern.startsWith('^') && one.endsWith(`.${name}`)));
  }
}
