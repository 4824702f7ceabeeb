import { basename } from 'node:path';
import type { AttentionStore } from '../../attention/store';
import { attentionStore } from '../../attention/store';
import { wordMaps } from '../../image/wordMaps';
import { sitesAt } from '../../model/cost';
import type { StableDiffusionPipeline } from '../../pipeline';
import { wordsOf } from '../../text/words';
import { encodePng } from '../png';
import { lit, wordFigure } from '../wordFigure';
import type { Manner } from './options';
import { checkPictureSettings, invertPicture, openPicture } from './picture';
import type { Made } from './run';
import { Run } from './run';
import { type AttendSettings, attendSettings } from './settings';
import { siteTable } from './siteTable';
import { disposeOf } from './tensors';

/** Generates a picture, or takes one of the user's own, and shows where the attention to each word of its prompt is. */
export async function attend(settings: AttendSettings, manner: Manner): Promise<void> {
  checkPictureSettings(settings, { ...manner });
  await Run.perform('attend', settings, manner, async (run) => {
    const pipeline = await run.load((await run.open()).checkpoint);
    const store = attentionStore();
    const own =
      settings.image && (await openPicture(settings.image, settings, pipeline, (message) => run.warn(message)));
    const inversion = own ? await invertPicture(run, pipeline, own, settings.prompt, settings) : undefined;
    const options = inversion?.options(store) ?? { controller: store };
    const made = await run.generate(pipeline, 'Generating', [settings.prompt], options);
    const prompt = pipeline.tokenizer.tokenize(settings.prompt);
    const found = wordsOf(prompt);
    const words = found.map(({ name }) => name);
    if (words.length === 0) run.warn('The prompt has no words, so there is nothing to show where they look.');
    const picture = own ? own.fitted : made.pictures[0];
    const maps = (await wordMaps(store, 0, found)).map((map) => lit(picture, map));

    await run.write('picture.png', encodePng(picture));
    for (const [i, map] of maps.entries()) await run.write(fileName(i, words[i]), encodePng(map));
    await run.write(
      'attend.png',
      await wordFigure(picture, prompt, store, {
        caption: own ? basename(settings.image!) : `Seed ${settings.seed}`,
      }),
    );
    await run.writeSettings('attend.json', attendSettings);
    await run.writeTensors(made, inversion);

    const sites = sitesOf(pipeline, made, store);
    store.dispose();
    inversion?.dispose();
    disposeOf(made);
    pipeline.dispose();
    return { words, sites, text: siteTable(sites) };
  });
}

/** A name such as `word-02-cat.png`, without characters that a file system may refuse. */
function fileName(index: number, word: string): string {
  const letters = [...word.replace(/[^\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/gu, '')]
    .slice(0, 32)
    .join('');
  return `word-${String(index + 1).padStart(2, '0')}-${letters}.png`;
}

/** All sites, and whether the maps are averaged over them: those of the store's largest grid. */
function sitesOf({ unet }: StableDiffusionPipeline, { latents }: Made, store: AttentionStore) {
  const [, height, width] = latents.shape;
  const queries = ({ grid }: { grid: { height: number; width: number } }): number => grid.height * grid.width;
  const largest = Math.max(...store.sites.map(queries));
  const averaged = new Set(store.sites.filter((stored) => queries(stored) === largest).map(({ site }) => site.path));
  return sitesAt(unet, { height, width }).map((site) => ({ ...site, averaged: averaged.has(site.path) }));
}
