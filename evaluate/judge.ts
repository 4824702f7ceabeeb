import * as tf from '@tensorflow/tfjs';
import { Network } from '../src/model/network';
import { Conv2d } from '../src/nn/conv2d';
import { Linear } from '../src/nn/linear';
import { Scope } from '../src/nn/scope';
import { upsampleNearest } from '../src/nn/upsample';
import { loadParameters } from '../src/weights/load';
import type { TensorSource } from '../src/weights/source';
import type { Vocabulary } from './heldOut';

/** What the judge says of a picture. */
export interface Verdict {
  readonly things: ReadonlySet<string>;
  /** Such as `red car`. */
  readonly colours: ReadonlySet<string>;
  readonly place: string;
  readonly time: string;
  readonly weather: string;
  /** What most of each 2x2 pixels is, row by row: a noun, `fluff`, `blossom`, `snow` or `background`. */
  readonly pixels: readonly string[];
  /**
   * Where there is a thing of whatever kind, with its fluff and its blossom, rather than snow or background: of the
   * same pixels.
   */
  readonly occupied: readonly boolean[];
}

/** Height and width of {@link Verdict.pixels}. */
export const GRID = 32;

/** What a pixel can be without being a thing; the last of its labels. */
const GROUND = ['snow', 'background'];
const HEADS = ['things', 'colours', 'place', 'time', 'weather'] as const;
type Head = (typeof HEADS)[number];

/** Logits: yes or no each in `things` and `colours`, one of all in the others. */
export type Logits = Readonly<Record<Head | 'pixels', tf.Tensor>>;

/**
 * The convolutional network that says what a picture shows, and where (`training/judge.py`, whose names these are). It
 * was trained on renderings, whose truth is known.
 */
export class Judge extends Network {
  private readonly labels: Readonly<Record<Head | 'pixels', readonly string[]>>;
  private readonly convs: readonly Conv2d[];
  private readonly from8: Conv2d;
  private readonly from16: Conv2d;
  private readonly from64: Conv2d;
  private readonly merge: Conv2d;
  private readonly pixels: Conv2d;
  private readonly heads: readonly Linear[];

  constructor(vocabulary: Vocabulary, scope = new Scope()) {
    super(scope);
    const { nouns, coloured, places, times, weathers } = vocabulary;
    this.labels = {
      things: nouns,
      colours: coloured,
      place: places,
      time: times,
      weather: weathers,
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
    this.heads = HEADS.map((head) => new Linear(scope.at('heads', head), 256, this.labels[head].length));
  }

  /** @throws CheckpointError if the weights are another network's */
  static async load(weights: TensorSource, vocabulary: Vocabulary): Promise<Judge> {
    const judge = new Judge(vocabulary);
    await loadParameters(judge.parameters, weights);
    return judge;
  }

  /** @param pictures [n, 64, 64, 3], -1 to 1 @returns heads [n, labels], pixels [n, 32, 32, labels] */
  forward(pictures: tf.Tensor4D): Logits {
    return tf.tidy(() => {
      const [conv1, conv2, conv3, conv4, conv5, conv6, conv7] = this.convs.map(
        (conv) =>
          (x: tf.Tensor4D): tf.Tensor4D =>
            tf.relu(conv.forward(x)),
      );
      const half = (x: tf.Tensor4D): tf.Tensor4D => tf.maxPool(x, 2, 2, 'valid');
      const at64 = conv1(pictures);
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
      return { ...Object.fromEntries(HEADS.map((head, i) => [head, this.heads[i].forward(whole)])), pixels } as Logits;
    });
  }

  /** @param pictures [n, 64, 64, 3], -1 to 1; not disposed */
  async look(pictures: tf.Tensor4D): Promise<Verdict[]> {
    const found = tf.tidy(() => {
      const { things, colours, ...choices } = this.forward(pictures);
      const best = Object.entries(choices).map(([name, logits]) => [name, tf.argMax(logits, -1)]);
      const [thing, ground] = tf
        .split(choices.pixels, [this.labels.pixels.length - GROUND.length, GROUND.length], -1)
        .map((logits) => tf.logSumExp(logits, -1));
      return {
        things: tf.greater(things, 0),
        colours: tf.greater(colours, 0),
        occupied: tf.greater(thing, ground),
        ...Object.fromEntries(best),
      } as Readonly<Record<string, tf.Tensor>>;
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
      const present = (name: 'things' | 'colours') => {
        const labels = this.labels[name];
        return new Set(labels.filter((_label, k) => data[name][i * labels.length + k]));
      };
      const chosen = (name: 'place' | 'time' | 'weather') => this.labels[name][data[name][i]];
      const own = (name: 'pixels' | 'occupied'): number[] => data[name].slice(i * GRID ** 2, (i + 1) * GRID ** 2);
      return {
        things: present('things'),
        colours: present('colours'),
        place: chosen('place'),
        time: chosen('time'),
        weather: chosen('weather'),
        pixels: own('pixels').map((label) => this.labels.pixels[label]),
        occupied: own('occupied').map(Boolean),
      };
    });
  }
}
