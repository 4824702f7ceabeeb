import type { Command } from 'commander';
import type { EditManner } from '../edit';
import { addManner, addRecord, addSettings, settingsFrom } from '../options';
import { editSettings } from '../settings';

/** A user's own picture needs no source prompt; a recording has one. */
function withSource(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { image, source, from, recording } = options;
  const isPlain = image !== undefined && [source, from, recording].every((given) => given === undefined);
  return isPlain ? { ...options, source: '' } : options;
}

export function defineEdit(command: Command): void {
  addRecord(addManner(addSettings(command, editSettings), true))
    .option('--no-compare', 'skip the pictures without injection, and save their time')
    .option('--show-alignment', 'print which source tokens each target token takes its attention from')
    .addHelpText(
      'after',
      `
A share of the steps is a fraction, counted from the first (0.8), or a range (0.2-0.8).
A word may be a phrase ("blossom tree"); cat#2 is the second cat in a prompt.

Examples:
  p2p edit --source "a cat riding a bicycle in a meadow" --target "a cat riding a motorcycle in a meadow"
  p2p edit --source "a house on a snowy mountain" --target "a house on a snowy mountain" --cross 1 --weight snowy=2
  p2p edit --source "a cat on a beach" --target "a dog on a beach" --blend cat:dog
  p2p edit --image photo.jpg --source "a cat on a beach" --target "a dog on a beach" --mask where.png
  p2p edit --from out/edit-1/edit.json --seed 7
  p2p generate --prompt "a cat riding a bicycle" --record cat.recording
  p2p edit --recording cat.recording --target "a cat riding a car"`,
    )
    .action(async (options: EditManner) => {
      const { edit } = require('../edit') as typeof import('../edit');
      await edit(await settingsFrom(editSettings, withSource({ ...options })), options);
    });
}
