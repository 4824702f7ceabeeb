import type { Command } from 'commander';
import { attentionStore } from '../../attention/store';
import type { AttentionStore } from '../../attention/store';
import type { Band, Panel } from '../../image/layout';
import type { StableDiffusionPipeline } from '../../pipeline';
import { drawFigure } from '../figure';
import { encodePng } from '../png';
import { sitesAt } from './cost';
import { columnWidth } from './editFigure';
import { wordsOf } from './marks';
import { addManner, addSettings, settingsFrom } from './options';
import type { Manner } from './options';
import { Run } from './run';
import type { Made } from './run';
import { generateSettings } from './settings';
import type { GenerateSettings } from './settings';
import { siteTable } from './siteTable';
import { disposeOf } from './tensors';
import { lit, shown, wordMaps } from './wordMaps';

/** Panels side by side in attend.png. */
const COLUMNS = 5;

export function addAttend(program: Command): void {
  const command = program.command('attend').description('Make a picture from a prompt and show where each word looks: one heat map a word, over the picture.');
  addManner(addSettings(command, generateSettings), true)
    .addHelpText('after', `
Example:
  p2p attend --prompt "a cat riding a bicycle in a meadow"`)
    .action((options: Manner) => attend(settingsFrom(generateSettings, { ...options }), options));
}

async function attend(settings: GenerateSettings, manner: Manner): Promise<void> {
  await Run.perform('attend', settings, manner, async (run) => {
    const pipeline = await run.load(await run.open());
    const store = attentionStore();
    const made = await run.generate(pipeline, 'Generating', [settings.prompt], { controller: store });
    const words = wordsOf(pipeline.tokenizer.tokenize(settings.prompt));
    const [picture] = made.pictures;
    const maps = (await wordMaps(store, 0, words)).map((map) => lit(picture, map));

    await run.write('picture.png', encodePng(picture));
    for (const [i, map] of maps.entries()) await run.write(fileName(i, words[i].text), encodePng(map));
    const panels: Panel[] = [
      { tiles: [{ picture: shown(picture), caption: [{ text: `Seed ${settings.seed}`, mark: 'quiet' }] }] },
      ...maps.map((map, i) => ({ tiles: [{ picture: map, caption: [{ text: words[i].text, mark: 'changed' as const }] }] })),
    ];
    await run.write('attend.png', drawFigure(inRows(settings.prompt, panels), columnWidth(picture)));
    await run.writeSettings('attend.json');
    await run.writeTensors(made);

    const sites = sitesOf(pipeline, made, store);
    store.dispose();
    disposeOf(made);
    pipeline.dispose();
    return { words: words.map(({ text }) => text), sites, text: siteTable(sites) };
  });
}

/** Such as `word-02-cat.png`: without what a file system may refuse. */
function fileName(index: number, word: string): string {
  const letters = [...word.replace(/[^\p{L}\p{N}]/gu, '')].slice(0, 32).join('');
  return `word-${String(index + 1).padStart(2, '0')}-${letters}.png`;
}

function inRows(title: string, panels: readonly Panel[]): Band[] {
  const bands: Band[] = [];
  for (let first = 0; first < panels.length; first += COLUMNS) {
    bands.push({ title: first === 0 ? title : undefined, panels: panels.slice(first, first + COLUMNS) });
  }
  return bands;
}

/** All sites, and whether the maps are means over them: those of the largest grid that the store has. */
function sitesOf({ unet }: StableDiffusionPipeline, { latents }: Made, store: AttentionStore) {
  const [, height, width] = latents.shape;
  const queries = ({ grid }: { grid: { height: number; width: number } }): number => grid.height * grid.width;
  const largest = Math.max(...store.sites.map(queries));
  const averaged = new Set(store.sites.filter((stored) => queries(stored) === largest).map(({ site }) => site.path));
  return sitesAt(unet, { height, width }).map((site) => ({ ...site, averaged: averaged.has(site.path) }));
}
