/**
 * The alignments, schedules and controllers against the authors' own, on random maps: see test/fixtures/attention.py.
 */
import * as tf from '@tensorflow/tfjs';
import { refinement, replacement } from '../../../src/edits/prompt-to-prompt/alignment';
import { promptToPrompt } from '../../../src/edits/prompt-to-prompt/promptToPrompt';
import { injectionSchedule } from '../../../src/edits/prompt-to-prompt/schedule';
import { openCheckpoint } from '../../../src/node/checkpoint';
import { CLIPTokenizer } from '../../../src/text/tokenizer';
import { readCases, Tensors } from '../../attention/fixture';
import { useBackend } from '../../backend';
import { controllers, STEPS } from '../../parity/controllers';
import { testComparisons } from '../../parity/testComparisons';

useBackend();

const cases = readCases();
let tokenizer: CLIPTokenizer;
let expected: Tensors;

beforeAll(async () => {
  tokenizer = new CLIPTokenizer(await (await openCheckpoint('test/fixtures/checkpoint')).tokenizer());
  expected = await Tensors.open('controllers.safetensors');
});

test.each(cases)('$name: words are aligned as the reference does it', async ({ name, prompts, kind }) => {
  const [source, ...targets] = prompts.map((prompt) => tokenizer.tokenize(prompt));
  const alignments = targets.map((target) =>
    kind === 'replace' ? replacement(source, target, 'authors') : refinement(source, target),
  );
  const mapper = await expected.read(`${name}.mapper`);
  if (kind === 'replace') {
    expect(alignments.map(({ matrix }) => [...matrix])).toEqual(tf.reshape(mapper, [targets.length, -1]).arraySync());
    return;
  }
  const sources = mapper.arraySync() as number[][];
  const aligned = (await expected.read(`${name}.aligned`)).arraySync() as number[][];
  alignments.forEach((alignment, i) => {
    expect([...alignment.aligned]).toEqual(aligned[i]);
    const columns = aligned[i].map((is, t) =>
      Array.from({ length: alignment.length }, (_, s) => (s === sources[i][t] ? is : 0)),
    );
    expect(columns).toEqual(
      columns.map((_, t) => columns.map((_row, s) => alignment.matrix[s * alignment.length + t])),
    );
  });
});

test.each(cases)('$name: is taken for the edit that it is', ({ kind, ...options }) => {
  const [source, ...targets] = options.prompts;
  const kinds = targets.map((target) => (target === source ? 'reweight' : kind));
  expect(promptToPrompt({ tokenizer, ...options }).edits).toEqual(kinds);
});

test.each(cases)(
  '$name: steps are scheduled as the reference does it',
  async ({ name, prompts, cross, crossWords }) => {
    const targets = prompts.slice(1).map((prompt) => tokenizer.tokenize(prompt));
    const schedule = injectionSchedule(targets, { default: cross, words: crossWords });
    const rows = Array.from({ length: STEPS + 1 }, (_, step) =>
      targets.map((_target, i) => [...schedule(i, step, STEPS)]),
    );
    expect(rows).toEqual((await expected.read(`${name}.alphas`)).arraySync());
  },
);

testComparisons(controllers);
