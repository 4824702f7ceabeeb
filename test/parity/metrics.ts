import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { type CLIPConfig, CLIPScore } from '../../src/metrics/clipScore';
import { LPIPS } from '../../src/metrics/lpips';
import { readMetricNetwork } from '../../src/metrics/read';
import { StructureDistance, type ViTConfig } from '../../src/metrics/structure';
import { fileBytes } from '../../src/node/fileSource';
import { SafetensorsFile } from '../../src/weights/safetensors';
import { type Comparison, largestOf, PARITY } from './comparison';

const FOLDER = 'test/fixtures/metrics';
const configs = JSON.parse(readFileSync(`${FOLDER}/configs.json`, 'utf8'));

/**
 * The metrics' networks with random weights, compared with transformers' and the lpips package's: see
 * test/fixtures/metrics.py.
 */
export const metrics: readonly Comparison[] = [
  {
    part: 'metrics',
    name: 'LPIPS on SqueezeNet',
    most: PARITY,
    async largest() {
      const file = await openMetric('lpips');
      const lpips = await readMetricNetwork(new LPIPS(), file);
      const pictures = await tensor<tf.Tensor4D>(file, 'pictures');
      const distance = tf.tidy(() => {
        const [a, b] = tf.split(pictures, 2) as tf.Tensor4D[];
        return lpips.between(a!, b!);
      });
      pictures.dispose();
      lpips.dispose();
      return relative(distance, await tensor(file, 'distance'));
    },
  },
  {
    part: 'metrics',
    name: "DINO's keys, and the distance of two structures",
    most: PARITY,
    async largest() {
      const { network, file } = await openStructure();
      const [a, b] = await Promise.all([tensor<tf.Tensor4D>(file, 'pixels'), tensor<tf.Tensor4D>(file, 'other')]);
      const distance = network.between(a, b);
      const keys = network.keys(a);
      network.dispose();
      tf.dispose([a, b]);
      return Math.max(
        await largestOf([keys, await tensor(file, 'keys')]),
        await relative(distance, await tensor(file, 'distance')),
      );
    },
  },
  {
    part: 'metrics',
    name: "CLIP's embeddings of a picture and of a text",
    most: PARITY,
    async largest() {
      const { network: clip, file } = await openClip();
      const pixels = await tensor<tf.Tensor4D>(file, 'pixels');
      const picture = clip.embedPicture(pixels);
      const text = clip.embedText([...(await file.read('ids'))]);
      pixels.dispose();
      clip.dispose();
      return largestOf([picture, await tensor(file, 'picture')], [text, await tensor(file, 'text')]);
    },
  },
];

export async function openStructure() {
  const file = await openMetric('vit');
  return { file, network: await readMetricNetwork(new StructureDistance(configs.vit as ViTConfig), file) };
}

export async function openClip() {
  const file = await openMetric('clip');
  const { text_config, vision_config, projection_dim } = configs.clip;
  const eps = { layer_norm_eps: 1e-5 };
  const config = { text: { ...text_config, ...eps }, vision: { ...vision_config, ...eps }, projection_dim };
  return { file, network: await readMetricNetwork(new CLIPScore(config as CLIPConfig), file) };
}

export async function openMetric(name: string): Promise<SafetensorsFile> {
  return SafetensorsFile.open(await fileBytes(`${FOLDER}/${name}.safetensors`));
}

async function tensor<T extends tf.Tensor>(file: SafetensorsFile, key: string): Promise<T> {
  return tf.tensor(await file.read(key), [...file.tensors.get(key)!.shape]) as T;
}

/** The relative difference of two scalars. Disposes both. */
async function relative(actual: tf.Tensor, expected: tf.Tensor): Promise<number> {
  const [[a], [b]] = await Promise.all([actual.data(), expected.data()]);
  tf.dispose([actual, expected]);
  return Math.abs(a! - b!) / Math.abs(b!);
}
