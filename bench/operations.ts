/**
 * What do norms, activations and attention cost, compared with reading their input once and writing their output once?
 */
import * as tf from '@tensorflow/tfjs';
import { scaledDotProduct } from '../src/attention/scaledDotProduct';
import { geglu, silu } from '../src/nn/activations';
import { GroupNorm } from '../src/nn/groupNorm';
import { LayerNorm } from '../src/nn/layerNorm';
import { Scope } from '../src/nn/scope';
import { full, inTurns, report, startBackend } from './measure';

/** The sizes of a UNet's first level, with 4 rows. */
const LEVELS = [
  { name: 'embedded', size: 16, channels: 64, groups: 16, heads: 4 },
  ...(full ? [{ name: 'SD 1.x', size: 64, channels: 320, groups: 32, heads: 8 }] : []),
];

async function main(): Promise<void> {
  const backend = await startBackend();
  for (const { name, size, channels, groups, heads } of LEVELS) {
    const scope = new Scope();
    const groupNorm = new GroupNorm(scope.at('group'), groups, channels, 1e-5);
    const layerNorm = new LayerNorm(scope.at('layer'), channels);
    for (const parameter of scope.parameters.values()) parameter.assign(new Float32Array(channels).fill(1));
    const picture = tf.randomNormal<tf.Rank.R4>([4, size, size, channels]);
    const tokens = tf.reshape(picture, [4, size * size, channels]);
    const gated = tf.randomNormal<tf.Rank.R3>([4, size * size, 2 * channels]);
    const qkv = tf.randomNormal<tf.Rank.R4>([4, heads, size * size, channels / heads]);
    const work = {
      copy: () => tf.add(picture, 1),
      'group norm': () => groupNorm.forward(picture),
      'layer norm': () => layerNorm.forward(tokens),
      SiLU: () => silu(picture),
      GEGLU: () => geglu(gated),
      'self-attention': () => scaledDotProduct({ q: qkv, k: qkv, v: qkv }),
    };
    const named = Object.fromEntries(Object.entries(work).map(([what, compute]) => [`${what}, ${name}`, compute]));
    report(backend, await inTurns(named, full ? 20 : 5), `copy, ${name}`);
    tf.dispose([picture, tokens, gated, qkv]);
    for (const parameter of scope.parameters.values()) parameter.dispose();
  }
}

void main().then(() => process.exit());
