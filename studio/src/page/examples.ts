/** Controllers to start from. Each is the body of a function of `tf`, `p2p` and `prompts`. */
export const EXAMPLES: readonly { readonly name: string; readonly code: string }[] = [
  {
    name: 'Even attention in the middle layers',
    code: `// What does the edit look like when its words
// cannot choose where to look in the middle layers?
return {
  wants: ({ site }) => (site.kind === 'cross' && site.place === 'mid' ? ['probs'] : []),
  onProbs(probs, call) {
    const edited = new Set(p2p.targetRows(call).map(({ row }) => row));
    const rows = probs.shape[0];
    const even = tf.fill(probs.shape, 1 / call.keys);
    const isEdited = tf.tensor(Array.from({ length: rows }, (_, row) => Number(edited.has(row))), [rows, 1, 1, 1]);
    return tf.add(tf.mul(probs, tf.sub(1, isEdited)), tf.mul(even, isEdited));
  },
};
`,
  },
  {
    name: 'A word grows stronger, step by step',
    code: `// The edit's last word counts more and more.
const words = prompts[1].pieces;
const { start, end } = words[words.length - 1];

return {
  wants: ({ site }) => (site.kind === 'cross' ? ['logits'] : []),
  onLogits(logits, { step, steps, keys }) {
    const boost = Array.from({ length: keys }, (_, key) => (key >= start && key < end ? (2 * step) / steps : 0));
    return tf.add(logits, tf.tensor(boost, [1, 1, 1, keys]));
  },
};
`,
  },
  {
    name: 'Half of the picture stays',
    code: `// A local blend, written out: after each step, the left half
// of the edit is set back to the source's.
return {
  wants: () => [],
  onLatents(latents) {
    const [, height, width, channels] = latents.shape;
    const source = tf.slice(latents, [0, 0, 0, 0], [1, height, width, channels]);
    const right = tf.tensor(Array.from({ length: width }, (_, x) => Number(x >= width / 2)), [1, 1, width, 1]);
    return tf.add(source, tf.mul(right, tf.sub(latents, source)));
  },
};
`,
  },
];
