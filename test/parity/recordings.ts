import { type PromptToPromptOptions, promptToPrompt } from '../../src/edits/prompt-to-prompt/promptToPrompt';
import type { RunOptions } from '../../src/options';
import { Recording } from '../../src/recording/recording';
import { BlobSink } from '../../src/weights/sink';
import { bytesOf } from '../../src/weights/source';
import { type Comparison, largestOf } from './comparison';
import { lastLatents, openSmall } from './edits';

const SOURCE = 'a cat riding a bicycle';
const EDITS: Readonly<Record<string, { readonly target: string } & Partial<PromptToPromptOptions>>> = {
  replace: { target: 'a cat riding a car' },
  refine: { target: 'a fluffy cat riding a bicycle at night' },
  'local blend': { target: 'a dog riding a bicycle', blend: [{ source: 'cat', target: 'dog' }] },
};

/**
 * Edits from a recording of their source, made with default settings, compared with the same edits with all rows
 * computed.
 */
export const recordings: readonly Comparison[] = Object.entries(EDITS).map(([name, { target, ...edit }]) => ({
  part: 'edits from a recording',
  name,
  most: 1e-3,
  async largest() {
    const pipe = await openSmall();
    const prompts = [SOURCE, target];
    const onWarning = () => undefined; // the small checkpoint knows few words, and says so
    const run = (of: string[], options: RunOptions) => lastLatents(pipe.run(of, { ...options, onWarning }));
    const controlled = (options: RunOptions) =>
      run(prompts, { ...options, controller: promptToPrompt({ tokenizer: pipe.tokenizer, prompts, ...edit }) });

    const to = new BlobSink();
    (await run([SOURCE], { steps: 5, seed: 7, record: { to } })).dispose();
    const recording = await Recording.open(bytesOf(to.blob, 'cat.recording'));
    const [again, full] = [await controlled({ recording }), await controlled({ steps: 5, seed: 7 })];
    pipe.dispose();
    return largestOf([again, full]);
  },
}));
