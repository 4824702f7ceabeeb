import { cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { EMBEDDED } from '../checkpoint';
import { modelManifest } from './manifest';

const ROOT = join(__dirname, '../../..');

/** The studio as a web server sees it. */
export interface Site {
  /** The page's files, as they were built. */
  readonly page: string;
  /** The model's folder, served as `model/`. */
  readonly model: string;
  /** What is in no folder: contents by path. */
  readonly made: ReadonlyMap<string, string>;
}

/**
 * @param model the embedded model's name, or a folder in the layout of diffusers
 * @param page where the page was built
 * @throws CheckpointError if the model is none; Error if the page was not built
 */
export async function studioSite(model: string = EMBEDDED, page = join(ROOT, 'dist/studio')): Promise<Site> {
  if (!(await stat(join(page, 'index.html')).catch(() => undefined)))
    throw new Error('The studio was not built. In a clone, run: npm run build');
  const embedded = model === EMBEDDED && !(await stat(model).catch(() => undefined));
  const folder = embedded ? join(ROOT, 'weights', EMBEDDED) : resolve(model);
  const manifest = await modelManifest(folder, basename(folder));
  return { page, model: folder, made: new Map([['model/manifest.json', JSON.stringify(manifest)]]) };
}

/** CLIP's vocabulary, for single files that someone opens in the page. */
const CLIP = join(ROOT, 'weights/clip/merges.txt.gz');

/** The file behind a path of the site; nothing if there is none. */
export function fileAt({ page, model }: Site, path: string): string | undefined {
  if (path.split('/').some((part) => part === '..' || part.includes('\\') || part.includes('\0'))) return undefined;
  if (path === 'clip/merges.txt.gz') return CLIP;
  if (path.startsWith('model/')) return join(model, path.slice('model/'.length));
  return join(page, path === '' ? 'index.html' : path);
}

/** Writes the site as a folder that any web server can serve. @throws Error if there is something at the folder's place already */
export async function writeSite(site: Site, folder: string): Promise<void> {
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) throw new Error(`${folder} is not empty. Give a new folder.`);
  await cp(site.page, folder, { recursive: true });
  const { files } = JSON.parse(site.made.get('model/manifest.json')!) as { files: { path: string }[] };
  const paths = ['clip/merges.txt.gz', ...files.map(({ path }) => `model/${path}`)];
  for (const path of paths) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(fileAt(site, path)!, join(folder, path));
  }
  for (const [path, text] of site.made) await writeFile(join(folder, path), text);
}
