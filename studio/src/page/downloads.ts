import { figureOf, pngOf } from './figure';
import { editJson } from './recipe';
import { made, model, result, shares } from './state';

/** What can be taken away of an edit; there is one when these are called. */
export const downloads: readonly {
  readonly label: string;
  readonly file: string;
  readonly make: () => Promise<Blob>;
}[] = [
  { label: 'Picture', file: 'edit.png', make: () => pngOf(result.value!.edit) },
  {
    label: 'Settings',
    file: 'edit.json',
    make: async () => new Blob([editJson(made.value!, shares.value, model.value!.name)], { type: 'application/json' }),
  },
  { label: 'Figure', file: 'figure.png', make: () => figureOf(made.value!, result.value!) },
];

export async function download({ file, make }: (typeof downloads)[number]): Promise<void> {
  const href = URL.createObjectURL(await make());
  Object.assign(document.createElement('a'), { href, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // Some browsers fetch it later.
}
