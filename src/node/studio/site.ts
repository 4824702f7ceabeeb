import { cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CheckpointError } from '../../errors';
import { EMBEDDED } from '../checkpoint';
import { inWords, unmade } from '../fileErrors';
import { modelManifest } from './manifest';

const ROOT = join(__dirname, '../../..');

/** The studio's files, for a web server. */
export interface Site {
  /** The folder of the built page. */
  readonly page: string;
  /** The model's folder, served as `model/`. */
  readonly model: string;
  /** Generated files: contents by path. */
  readonly made: ReadonlyMap<string, string>;
}

/**
 * @param model the embedded model's name, or a folder in the diffusers layout
 * @param page the folder of the built page
 * @throws CheckpointError if the folder is not a model; Error if the page was not built
 */
export async function studioSite(model: string = EMBEDDED, page = join(ROOT, 'dist/studio')): Promise<Site> {
  if (!(await stat(join(page, 'index.html')).catch(() => undefined)))
    throw new Error('The studio has not been built. In a clone, run: npm run build');
  const embedded = model === EMBEDDED && !(await stat(model).catch(() => undefined));
  const folder = embedded ? join(ROOT, 'weights', EMBEDDED) : resolve(model);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory())
    throw new CheckpointError(
      `There is no folder ${model}. The studio starts with a folder in the layout of diffusers; other models are opened in the page.`,
    );
  const manifest = await modelManifest(folder, basename(folder));
  return { page, model: folder, made: new Map([['model/manifest.json', JSON.stringify(manifest)]]) };
}

/** CLIP's vocabulary, for single files opened in the page. */
const CLIP = join(ROOT, 'weights/clip/merges.txt.gz');

/** The file for a path of the site; undefined if the path is not allowed. */
export function fileAt({ page, model }: Site, path: string): string | undefined {
  if (path.split('/').some((part) => part === '..' || part.includes('\\') || part.includes('\0'))) return undefined;
  if (path === 'clip/merges.txt.gz') return CLIP;
  if (path.startsWith('model/')) return join(model, path.slice('model/'.length));
  return join(page, path === '' ? 'index.html' : path);
}

/** Makes a folder, or takes one that is there. @throws Error that names it if it is not empty, or cannot be made */
export async function emptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch(unmade(folder));
  if ((await readdir(folder)).length > 0) throw new Error(`${folder} is not empty. Choose a new folder.`);
}

/**
 * Writes the site to a folder that any web server can serve. If that fails, what was written is removed.
 *
 * @throws Error as {@link emptyFolder}, or if the site cannot be written
 */
export async function writeSite(site: Site, folder: string): Promise<void> {
  await emptyFolder(folder);
  try {
    await copySite(site, folder);
  } catch (error) {
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
    throw new Error(`${folder} cannot be written: ${inWords(error as NodeJS.ErrnoException)}`);
  }
}

async function copySite(site: Site, folder: string): Promise<void> {
  await cp(site.page, folder, { recursive: true });
  const { files } = JSON.parse(site.made.get('model/manifest.json')!) as { files: { path: string }[] };
  const paths = ['clip/merges.txt.gz', ...files.map(({ path }) => `model/${path}`)];
  for (const path of paths) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(fileAt(site, path)!, join(folder, path));
  }
  for (const [path, text] of site.made) await writeFile(join(folder, path), text);
}
