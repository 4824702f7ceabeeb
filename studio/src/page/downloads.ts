import type { Picture } from 'prompt-to-prompt-tfjs';
import type { Mask, Recipe } from '../engine/protocol';
import { fitPicture, place } from '../library';
import { figureOf, pngOf } from './figure';
import { editJson } from './recipe';
import { attempt, made, model, notice, ownPicture, result, shares } from './state';

/** The files that can be downloaded of an edit. There must be one when they are made. */
export const downloads: readonly {
  readonly label: string;
  readonly file: string;
  readonly make: () => Promise<Blob>;
}[] = [
  { label: 'Picture', file: 'edit.png', make: () => pngOf(result.value!.edit) },
  {
    label: 'Settings',
    file: 'edit.json',
    make: async () => new Blob([await settingsOf(made.value!)], { type: 'application/json' }),
  },
  { label: 'Figure', file: 'figure.png', make: () => figureOf(made.value!, result.value!) },
];

export function download({ file, make }: (typeof downloads)[number]): Promise<void> {
  return attempt(`${file} could not be made`, async () => {
    const href = URL.createObjectURL(await make());
    Object.assign(document.createElement('a'), { href, download: file }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000); // Some browsers fetch it later.
  });
}

/** The settings, including the user's own picture as the model sees it, and the mask at that size. */
async function settingsOf(recipe: Recipe): Promise<string> {
  if (recipe.code !== undefined)
    notice.value = {
      kind: 'note',
      text: 'The settings do not include the controller, as p2p edit takes none. The link includes it.',
    };
  const { width, height, name } = model.value!;
  const own = recipe.picture === undefined ? undefined : ownPicture(recipe.picture);
  return editJson(recipe, shares.value, name, {
    mask: recipe.mask && (await dataUrl(maskPicture(recipe.mask))),
    image: own && (await dataUrl(fitPicture(own, place(own, { width, height })))),
  });
}

/** White where the edit may change the picture, black elsewhere. */
function maskPicture(mask: Mask): Picture {
  const { width, height, grid } = model.value!;
  const side = width / grid.width;
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    const cell = Math.floor(i / width / side) * grid.width + Math.floor((i % width) / side);
    data.fill(255 * mask[cell], 4 * i, 4 * i + 3);
  }
  return { width, height, data };
}

async function dataUrl(picture: Picture): Promise<string> {
  const reader = new FileReader();
  reader.readAsDataURL(await pngOf(picture));
  await new Promise((resolve, reject) =>
    Object.assign(reader, { onload: resolve, onerror: () => reject(reader.error) }),
  );
  return reader.result as string;
}
