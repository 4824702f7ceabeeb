/**
 * How fast is the studio? The time from loading its files to a usable page; its first picture compared with Node's, on
 * the same backend and threads; a slider's first preview and its picture compared with a whole edit; and the longest
 * time for which the page's main thread was blocked. In headless Chromium, with the embedded model.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { BrowserContext, Page } from 'playwright-core';
import { buildPage, openBrowser, serveStudio } from '../scripts/studioPage';
import { promptToPrompt } from '../src/edits/prompt-to-prompt/promptToPrompt';
import { loadPipeline } from '../src/node';
import { full, report, startBackend, timing } from './measure';

const TURNS = full ? 10 : 3;
const EDIT = { source: 'a cat riding a bicycle in a meadow', target: 'a cat riding a motorcycle in a meadow' };
const SETTINGS = { seed: 4, steps: 20, sampler: 'dpm++' } as const;

/** Runs in its own process, so that it too measures a first picture. */
async function answerInNode(): Promise<void> {
  const pipe = await loadPipeline('emoji-world', { backend: 'wasm' });
  const prompts = [EDIT.source, EDIT.target];
  const controller = promptToPrompt({ tokenizer: pipe.tokenizer, shares: pipe.defaults.shares, prompts });
  const start = performance.now();
  const { images } = await pipe.generate(prompts, { ...SETTINGS, controller });
  await images.data();
  process.send!(performance.now() - start);
}

async function pictureInNode(): Promise<number> {
  const [ms] = (await once(fork(process.argv[1], ['--in-node']), 'message')) as [number];
  return ms;
}

type Times = Record<'usable' | 'first' | 'edit' | 'preview' | 'picture' | 'longest', number>;

/** Runs inside the page, so that times do not include the connection to it. */
const inPage = {
  /** When the page is usable, and when its picture is finished, since the start of the navigation. */
  async opening(): Promise<[number, number]> {
    const frame = () => new Promise(requestAnimationFrame);
    while (!document.querySelector('.controls')) await frame();
    const usable = performance.now();
    while (document.querySelector('.stage')?.getAttribute('data-state') !== 'finished') await frame();
    return [usable, performance.now()];
  },
  /** The time from a field's change to a new picture of the edit: any, or the finished one. */
  async changing([selector, value, events, until]: readonly [string, string, readonly string[], 'any' | 'finished']) {
    const canvas = document.querySelector<HTMLCanvasElement>('.of-edit .picture')!;
    const before = canvas.toDataURL();
    const input = document.querySelector<HTMLInputElement>(selector)!;
    const start = performance.now();
    input.value = value;
    for (const name of events) input.dispatchEvent(new Event(name, { bubbles: true }));
    const isThere = () =>
      until === 'any'
        ? canvas.toDataURL() !== before
        : document.querySelector('.stage')?.getAttribute('data-state') === 'finished';
    do await new Promise(requestAnimationFrame);
    while (!isThere());
    return performance.now() - start;
  },
};

const SEED = '.fold input[type=number]';
const KEEP = '.keep input[type=range]';

async function turn(context: BrowserContext, url: string): Promise<Times> {
  const page = await context.newPage();
  await page.goto(url);
  const [usable, finished] = await page.evaluate(inPage.opening);
  const edit = await page.evaluate(inPage.changing, [SEED, '8888', ['change'], 'finished'] as const);
  await rested(page); // The studio is recording a source for drafts.
  const preview = await page.evaluate(inPage.changing, [KEEP, '0.8', ['input'], 'any'] as const);
  await rested(page);
  const picture = await page.evaluate(inPage.changing, [KEEP, '0.3', ['input', 'change'], 'finished'] as const);
  const longest = await page.evaluate(() => Math.max(0, ...(globalThis as unknown as { tasks: number[] }).tasks));
  await page.close();
  return { usable, first: finished - usable, edit, preview, picture, longest };
}

async function rested(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('.stage')?.getAttribute('data-state') === 'finished');
  await page.waitForTimeout(3000);
}

async function main(): Promise<void> {
  const backend = await startBackend();
  const server = await serveStudio(buildPage('studio-bench'));
  const browser = await openBrowser();
  const context = await browser.newContext();
  await context.addInitScript(() => {
    const tasks: number[] = [];
    Object.assign(globalThis, { tasks });
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
      type: 'longtask',
      buffered: true,
    });
  });
  const { seed, steps, sampler } = SETTINGS;
  const address = new URLSearchParams({ ...EDIT, seed: String(seed), steps: String(steps), sampler });
  const url = `${server.url}#${address}`;
  await turn(context, url); // Fills the browser's cache.
  const [inNode, inStudio]: [number[], Times[]] = [[], []];
  for (let i = 0; i < TURNS; i++) {
    inNode.push(await pictureInNode());
    inStudio.push(await turn(context, url));
  }
  await browser.close();
  server.close();

  const of = (name: keyof Times) => timing(inStudio.map((times) => times[name]));
  report(backend, { 'usable, from its files': of('usable') });
  const node = 'first picture, 20 steps of an edit: Node';
  report(backend, { [node]: timing(inNode), 'first picture, 20 steps of an edit: studio': of('first') }, node);
  const edit = 'a whole edit in the studio';
  const slider = { 'a slider dragged: first preview': of('preview'), 'a slider let go: the picture': of('picture') };
  report(backend, { [edit]: of('edit'), ...slider }, edit);
  report(backend, { "longest block of the page's thread (0: none over 50 ms)": of('longest') });
}

void (process.argv.includes('--in-node') ? answerInNode() : main()).then(() => process.exit());
