/**
 * How long is a step of the UNet for two prompts with guidance, 4 rows of latents: by itself, and while an edit replaces words, injects
 * self-attention and stores the maps? With --full at Stable Diffusion 1.4's size too.
 */
import * as tf from '@tensorflow/tfjs';
import { FixedContext } from '../src/attention/context';
import { compose } from '../src/attention/compose';
import type { BatchRow, Evaluation } from '../src/attention/controller';
import { promptToPrompt } from '../src/attention/promptToPrompt';
import { attentionStore } from '../src/attention/store';
import type { Tokenizer } from '../src/text/tokenizer';
import { inTurns, report, startBackend } from './measure';
import { randomUNet, unetsFor } from './randomUNet';

const ROWS: BatchRow[] = [false, true].flatMap((conditional) => [0, 1].map((prompt) => ({ prompt, conditional })));
const PROMPTS = ['a cat riding a bicycle', 'a cat riding a motorcycle'];

/** A token a word. */
const words = (maxLength: number): Tokenizer => ({
  maxLength,
  tokenize: (text) => {
    const pieces = text.split(' ').map((word, i) => ({ text: word, start: i + 1, end: i + 2 }));
    const ids = [0, ...pieces.map((piece) => 2 + [...PROMPTS.join(' ').split(' ')].indexOf(piece.text)), 1];
    return { text, ids: [...ids, ...Array<number>(maxLength - ids.length).fill(1)], length: ids.length, pieces, lost: '' };
  },
});

async function main(): Promise<void> {
  const backend = await startBackend();
  for (const { name, config, size, tokens, seconds } of unetsFor(backend, 8)) {
    const unet = randomUNet(config);
    const latents = tf.randomNormal<tf.Rank.R4>([4, size, size, config.in_channels]);
    const prompts = tf.randomNormal<tf.Rank.R3>([3, tokens, config.cross_attention_dim]);
    const context = new FixedContext(prompts, [0, 0, 1, 2]); // Both unconditional rows have the same, empty text.
    const store = attentionStore();
    const controller = compose(promptToPrompt({ tokenizer: words(tokens), prompts: PROMPTS }), store);
    const evaluation: Evaluation = { step: 0, steps: 50, timestep: 981, latents: { height: size, width: size }, rows: ROWS };
    report(backend, await inTurns({
      [`UNet step, ${name}, 4 rows`]: () => unet.forward(latents, 981, context),
      [`edit step, ${name}, 4 rows`]: () => unet.forward(latents, 981, context, { controller, evaluation }),
    }, seconds));
    latents.dispose();
    context.dispose();
    store.dispose();
    unet.dispose();
  }
}

void main().then(() => process.exit());
