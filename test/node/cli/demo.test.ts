import { AUTHORS_SHARES } from '../../../src/edits/prompt-to-prompt/shares';
import { EMBEDDED, openCheckpoint } from '../../../src/node/checkpoint';
import { SCENES } from '../../../src/node/cli/demo';
import { methodOf } from '../../../src/node/cli/edit';
import { editSettings } from '../../../src/node/cli/settings';
import { CLIPTokenizer } from '../../../src/text/tokenizer';

test("the demo's edits can be made, of words that the embedded model was trained with", async () => {
  const tokenizer = new CLIPTokenizer(await (await openCheckpoint(EMBEDDED)).tokenizer());
  const runs = SCENES.flatMap((scene) => scene.runs).map((run) => editSettings.parse(run));
  for (const settings of runs) {
    expect(() => methodOf(settings, AUTHORS_SHARES, tokenizer)).not.toThrow();
    for (const prompt of [settings.source, ...settings.target]) {
      const { pieces, lost } = tokenizer.tokenize(prompt);
      expect(lost).toBe('');
      // A word that training never saw falls into several tokens.
      expect(pieces.filter(({ start, end }) => end - start > 1)).toEqual([]);
    }
  }
  expect(runs.length).toBeGreaterThan(SCENES.length);
});
