import * as tf from '@tensorflow/tfjs';
import { Network } from '../src/model/network';
import { Conv2d } from '../src/nn/conv2d';
import { Linear } from '../src/nn/linear';
import { Scope } from '../src/nn/scope';
import { upsampleNearest } from '../src/nn/upsample';
import { loadParameters } from '../src/weights/load';
import type { TensorSource } from '../src/weights/source';
import type { Vocabulary } from './heldOut';

/** What the judge recognises in a picture. */
export interface Verdict {
  readonly things: ReadonlySet<string>;
  /** Such as `red car`. */
  readonly colours: ReadonlySet<string>;
  readonly place: string;
  readonly time: string;
  readonly weather: string;
  /** The picture's style, or `plain`, as always if the judge's world has no styles. */
  readonly style: string;
  /** The materials of things, such as `golden`, which replace their own colours. */
  readonly materials: ReadonlySet<string>;
  /** The label of each cell of the grid, row by row: a noun, `fluff`, `blossom`, `snow` or `background`. */
  readonly pixels: readonly string[];
  /** Whether each of these cells is part of any thing, fluff and blossom included, rather than snow or background. */
  readonly occupied: readonly boolean[];
}

/** Height and width to which pictures are reduced for the judge. */
const SIDE = 64;

/** Height and width of {@link Verdict.pixels}. */
export const GRID = SIDE / 2;

/** The labels of pixels that are not part of a thing; the last of all labels. */
const GROUND = ['snow', 'background'];
/** The style of a picture without a particular style. */
const PLAIN = 'plain';
/** The multi-label heads; all others choose one of their labels. */
const YES_NO = ['things', 'colours', 'materials'] as const;
type YesNo = (typeof YES_NO)[number];
type Choice = 'place' | 'time' | 'weather' | 'style';

/** Each head's labels. */
type Labels = Readonly<Record<YesNo | Choice | 'pixels', readonly string[]>>;

/** The logits of the judge's heads. */
export type Logits = Readonly<Record<string, tf.Tensor>>;

/**
 * The convolutional network that recognises what a picture shows, and where (`training/judge.py`, with the same names).
 * It was trained on renderings with known content.
 */
export class Judge extends Network {
  private readonly labels: Labels;
  private readonly convs: readonly Conv2d[];
  private readonly from8: Conv2d;
  private readonly from16: Conv2d;
  private readonly from64: Conv2d;
  private readonly merge: Conv2d;
  private readonly pixels: Conv2d;
  private readonly heads: readonly (readonly [name: string, head: Linear])[];

  constructor(vocabulary: Vocabulary, scope = new Scope()) {
    super(scope);
    const { nouns, coloured, places, times, weathers, styles, materials = [] } = vocabulary;
    this.labels = {
      things: nouns,
      colours: coloured,
      place: places,
      time: times,
      weather: weathers,
      style: styles ? [PLAIN, ...styles] : [],
      materials,
      pixels: [...nouns, 'fluff', 'blossom', ...GROUND],
    };
    const conv = (name: string, from: number, to: number, size = 3) =>
      new Conv2d(scope.at(name), from, to, size, { padding: (size - 1) / 2 });
    const channels = [3, 24, 40, 56, 96, 96, 128, 128];
    this.convs = channels.slice(1).map((to, i) => conv(`conv${i + 1}`, channels[i], to));
    this.from8 = conv('from8', 128, 40, 1);
    this.from16 = conv('from16', 96, 40, 1);
    this.from64 = new Conv2d(scope.at('from64'), 24, 40, 2, { stride: 2 });
    this.merge = conv('merge', 176, 64);
    this.pixels = conv('pixels', 64, this.labels.pixels.length, 1);
    const { pixels, ...heads } = this.labels;
    this.heads = Object.entries(heads)
      .filter(([, labels]) => labels.length > 0)
      .map(([name, labels]) => [name, new Linear(scope.at('heads', name), 256, labels.length)] as const);
  }

  /** @throws CheckpointError if the weights are another network's */
  static async load(weights: TensorSource, vocabulary: Vocabulary): Promise<Judge> {
    const judge = new Judge(vocabulary);
    await loadParameters(judge.parameters, weights);
    return judge;
  }

  /**
   * @param pictures [n, side, side, 3], -1 to 1, of 64 pixels or a multiple
   * @returns heads [n, labels], pixels [n, 32, 32, labels]
   */
  forward(pictures: tf.Tensor4D): Logits {
    return tf.tidy(() => {
      const [conv1, conv2, conv3, conv4, conv5, conv6, conv7] = this.convs.map(
        (conv) =>
          (x: tf.Tensor4D): tf.Tensor4D =>
            tf.relu(conv.forward(x)),
      );
      const half = (x: tf.Tensor4D): tf.Tensor4D => tf.maxPool(x, 2, 2, 'valid');
      const times = Math.max(1, Math.floor(pictures.shape[1] / SIDE));
      const at64 = conv1(tf.avgPool(pictures, times, times, 'valid'));
      const at32 = conv3(conv2(half(at64)));
      const at16 = conv5(conv4(half(at32)));
      const at8 = conv7(conv6(half(at16)));
      const whole = tf.concat([tf.max(at8, [1, 2]), tf.mean(at8, [1, 2])], 1) as tf.Tensor2D;
      const wide = tf.concat(
        [
          at32,
          this.from64.forward(at64),
          upsampleNearest(this.from16.forward(at16)),
          upsampleNearest(this.from8.forward(at8), [GRID, GRID]),
        ],
        3,
      );
      const pixels = this.pixels.forward(tf.relu(this.merge.forward(tf.relu(wide))));
      return { ...Object.fromEntries(this.heads.map(([name, head]) => [name, head.forward(whole)])), pixels };
    });
  }

  /** @param pictures [n, side, side, 3], -1 to 1, of 64 pixels or a multiple; not disposed */
  async look(pictures: tf.Tensor4D): Promise<Verdict[]> {
    const found = tf.tidy((): Logits => {
      const logits = this.forward(pictures);
      const [thing, ground] = tf
        .split(logits.pixels, [this.labels.pixels.length - GROUND.length, GROUND.length], -1)
        .map((part) => tf.logSumExp(part, -1));
      const decided = Object.entries(logits).map(([name, said]) => [
        name,
        isYesNo(name) ? tf.greater(said, 0) : tf.argMax(said, -1),
      ]);
      return { ...Object.fromEntries(decided), occupied: tf.greater(thing, ground) };
    });
    const data = Object.fromEntries(
      await Promise.all(
        Object.entries(found).map(
          async ([name, tensor]) => [name, Array.from(await tensor.data<'float32'>())] as const,
        ),
      ),
    );
    tf.dispose(Object.values(found));
    return Array.from({ length: pictures.shape[0] }, (_, i) => {
      const present = (name: YesNo) => {
        const labels = this.labels[name];
        return new Set(labels.filter((_label, k) => data[name][i * labels.length + k]));
      };
      const chosen = (name: Choice) => (data[name] ? this.labels[name][data[name][i]] : PLAIN);
      const own = (name: 'pixels' | 'occupied'): number[] => data[name].slice(i * GRID ** 2, (i + 1) * GRID ** 2);
      return {
        things: present('things'),
        colours: present('colours'),
        place: chosen('place'),
        time: chosen('time'),
        weather: chosen('weather'),
        style: chosen('style'),
        materials: present('materials'),
        pixels: own('pixels').map((label) => this.labels.pixels[label]),
        occupied: own('occupied').map(Boolean),
      };
    });
  }
}

function isYesNo(name: string): name is YesNo {
  return YES_NO.some((one) => one === name);
}
