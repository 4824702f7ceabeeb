/** Edits from a recording of an inverted picture. */
import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { editOf } from '../parity/inversions';
import { cases, golden } from './fixture';

useBackend();

test.each([
  'direct',
  'direct-two-targets',
  'direct-v',
  'negative-prompt',
  'null-text-wide',
  'ddim',
  'proximal-guided',
  'proximal-two-targets',
  'edit-friendly',
])(
  '%s: as the authors have it, from a recording of the picture',
  async (name) => {
    const before = tf.memory().numTensors;
    const [last, expected] = [await editOf(cases.edits[name], true), await golden(`edit.${name}`)];
    expect(await deviation(last, expected)).toBeLessThan(1e-3);
    tf.dispose([last, expected]);
    expect(tf.memory().numTensors).toBe(before);
  },
  600_000,
);
