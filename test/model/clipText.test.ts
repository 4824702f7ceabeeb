import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../backend';
import { deviation } from '../parity/comparison';
import { testComparisons } from '../parity/testComparisons';
import { openText, textEncoder } from '../parity/textEncoder';

useBackend();

testComparisons(textEncoder);

test('a token is encoded without regard to those after it', async () => {
  const { clip } = await openText('text-gelu');
  const whole = clip.forward([[38, 1, 2, 3, 39]]);
  const start = clip.forward([[38, 1, 2]]);
  expect(await deviation(tf.slice(whole, [0, 0, 0], [1, 3, -1]), start)).toBeLessThan(1e-5);
});

test('ids that do not fit are refused', async () => {
  const { clip } = await openText('text-gelu');
  for (const none of [[], [[]]])
    expect(() => clip.forward(none)).toThrow('given no tokens: it needs at least one prompt');
  expect(() => clip.forward([[1, 2], [1]])).toThrow('All rows must have the same number of tokens, not 2, 1.');
  expect(() => clip.forward([Array(12).fill(1)])).toThrow('has 11 positions; 12 tokens are too many');
  expect(() => clip.forward([[1, 40]])).toThrow(
    'text_model.embeddings.token_embedding.weight: id 40 is not from 0 to 39',
  );
});
