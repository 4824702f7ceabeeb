/**
 * How fast are convolutions and matrix products, and what does a batch of small products cost, compared with a large
 * one of equally many operations?
 */
import * as tf from '@tensorflow/tfjs';
import { full, inTurns, report, startBackend } from './measure';

async function main(): Promise<void> {
  const backend = await startBackend();
  const a = tf.randomNormal<tf.Rank.R2>([512, 512]);
  const x = tf.randomNormal<tf.Rank.R4>([4, 16, 16, 128]);
  const filter = tf.randomNormal<tf.Rank.R4>([3, 3, 128, 128]);
  const [q, k] = [0, 1].map(() => tf.randomNormal<tf.Rank.R4>([4, 16, 256, 32]));
  report(
    backend,
    await inTurns(
      {
        '512x512 matMul': () => tf.matMul(a, a),
        '64 matMuls of as many operations together': () => tf.matMul(q, k, false, true),
      },
      full ? 10 : 3,
    ),
    '512x512 matMul',
  );
  report(
    backend,
    await inTurns({ '3x3 convolution of 4x16x16x128': () => tf.conv2d(x, filter, 1, 'same') }, full ? 10 : 3),
  );
}

void main().then(() => process.exit());
