import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Mask } from '../../edits/prompt-to-prompt/givenMask';
import type { Picture } from '../../image/picture';
import { CLIPScore } from '../../metrics/clipScore';
import { LPIPS } from '../../metrics/lpips';
import { readMetricNetwork } from '../../metrics/read';
import { mse, psnr, ssim } from '../../metrics/similarity';
import { StructureDistance } from '../../metrics/structure';
import type { Network } from '../../model/network';
import { CLIPTokenizer } from '../../text/tokenizer';
import { SafetensorsFile } from '../../weights/safetensors';
import { readTokenizer } from '../../weights/tokenizerFiles';
import { fileBytes, folderTree } from '../fileSource';
import { type BenchEdit, editedRegion } from './bench';

/** An edit with both its pictures, of the same size. */
export interface Measured {
  readonly edit: BenchEdit;
  readonly source: Picture;
  readonly edited: Picture;
  /** The region that may change. */
  readonly region: Mask;
}

/** One column of the table. */
export interface Measure {
  /** The name in the benchmark's own script. */
  readonly name: string;
  /** The factor on means in the benchmark's table. */
  readonly scale: number;
  /** NaN if there is nothing to measure. */
  of(measured: Measured): number | Promise<number>;
}

/** The available measures, and what the others need. */
export interface Measures {
  readonly measures: readonly Measure[];
  readonly missing: readonly { readonly names: readonly string[]; readonly needs: string }[];
  dispose(): void;
}

/** The measures that need no network, taken outside the edited region: inside it, both pictures are made black. */
const PLAIN: readonly Measure[] = [
  { name: 'psnr_unedit_part', scale: 1, of: outside(psnr) },
  { name: 'mse_unedit_part', scale: 1e4, of: outside(mse) },
  { name: 'ssim_unedit_part', scale: 100, of: outside(ssim) },
];

function outside(
  measure: (a: Picture, b: Picture, kept: Mask) => number | Promise<number>,
): (measured: Measured) => number | Promise<number> {
  return ({ source, edited, region }) => {
    const kept = { ...region, data: region.data.map((share) => 1 - share) };
    return kept.data.some((share) => share > 0) ? measure(source, edited, kept) : NaN;
  };
}

/** The columns of the benchmark's table, in its order. */
const ORDER = [
  'structure_distance',
  'psnr_unedit_part',
  'lpips_unedit_part',
  'mse_unedit_part',
  'ssim_unedit_part',
  'clip_similarity_source_image',
  'clip_similarity_target_image',
  'clip_similarity_target_image_edit_part',
];

/** A network for some measures: its files in the folder of networks, and where to get them. */
interface Source {
  readonly names: readonly string[];
  readonly file: string;
  readonly from: string;
  load(file: SafetensorsFile, folder: string): Promise<{ network: Network; measures: readonly Measure[] }>;
}

const SOURCES: readonly Source[] = [
  {
    names: ['structure_distance'],
    file: 'dino-vitb8/model.safetensors',
    from: 'https://huggingface.co/facebook/dino-vitb8',
    async load(file) {
      const network = await readMetricNetwork(new StructureDistance(), file);
      const of = ({ source, edited }: Measured): Promise<number> => network.distance(source, edited);
      return { network, measures: [{ name: 'structure_distance', scale: 1e3, of }] };
    },
  },
  {
    names: ['lpips_unedit_part'],
    file: 'lpips-squeeze.safetensors',
    from: "Python's lpips package: save_file(lpips.LPIPS(net='squeeze').state_dict(), 'lpips-squeeze.safetensors')",
    async load(file) {
      const network = await readMetricNetwork(new LPIPS(), file);
      const of = outside((a, b, kept) => network.distance(a, b, kept));
      return { network, measures: [{ name: 'lpips_unedit_part', scale: 1e3, of }] };
    },
  },
  {
    names: ['clip_similarity_source_image', 'clip_similarity_target_image', 'clip_similarity_target_image_edit_part'],
    file: 'clip-vit-large-patch14/model.safetensors',
    from: 'https://huggingface.co/openai/clip-vit-large-patch14, with vocab.json and merges.txt beside it',
    async load(file, folder) {
      const files = await readTokenizer(folderTree(folder), 'clip-vit-large-patch14');
      if (!files) throw new Error(`${join(folder, 'clip-vit-large-patch14')} has no vocab.json and merges.txt.`);
      const tokenizer = new CLIPTokenizer(files);
      const network = await readMetricNetwork(new CLIPScore(), file);
      const score = (picture: Picture, text: string): Promise<number> => network.score(picture, text, tokenizer);
      const [source, target, part] = this.names;
      return {
        network,
        measures: [
          { name: source, scale: 1, of: (measured) => score(measured.source, measured.edit.source) },
          { name: target, scale: 1, of: ({ edited, edit }) => score(edited, edit.target) },
          { name: part, scale: 1, of: ({ edited, edit, region }) => score(onlyIn(region, edited), edit.target) },
        ],
      };
    },
  },
];

/** @param folder the folder of the networks' files; measures whose files are missing are left out */
export async function openMeasures(folder?: string): Promise<Measures> {
  const measures = [...PLAIN];
  const missing: { names: readonly string[]; needs: string }[] = [];
  const networks: Network[] = [];
  for (const source of SOURCES) {
    const path = join(folder ?? '', source.file);
    if (folder === undefined || !existsSync(path)) {
      missing.push({ names: source.names, needs: `${source.file} (${source.from})` });
      continue;
    }
    const loaded = await source.load(await SafetensorsFile.open(await fileBytes(path)), folder);
    measures.push(...loaded.measures);
    networks.push(loaded.network);
  }
  measures.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  return { measures, missing, dispose: () => networks.forEach((network) => network.dispose()) };
}

/** The picture, black outside the region. */
function onlyIn(region: Mask, { width, height, data }: Picture): Picture {
  const shown = data.map((value, i) => (i % 4 === 3 ? 255 : value * region.data[Math.floor(i / 4)]));
  return { width, height, data: shown };
}

/** All measures of one edit, by name. */
export async function measureAll(
  { measures }: Pick<Measures, 'measures'>,
  { edit, source, edited }: Omit<Measured, 'region'>,
): Promise<Record<string, number>> {
  const region = editedRegion(edit, source);
  const values: Record<string, number> = {};
  for (const { name, of } of measures) values[name] = await of({ edit, source, edited, region });
  return values;
}
