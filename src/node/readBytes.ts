import { readFile } from 'node:fs/promises';
import { unread } from './fileErrors';

const DATA = 'data:';

/**
 * Whether this is not a file's path but the file itself as a `data:` URL, as settings may contain for a picture or
 * mask.
 */
export function isData(place: string): boolean {
  return place.startsWith(DATA);
}

/** @param place a file's path or a `data:` URL @throws if there is no such file, or the URL is not valid; it is named */
export async function readBytes(place: string): Promise<Buffer> {
  if (!isData(place)) return readFile(place).catch(unread(place));
  const response = await fetch(place).catch(() => {
    throw new Error(`${nameOf(place)} is not a complete data URL, such as data:image/png;base64,...`);
  });
  return Buffer.from(await response.arrayBuffer());
}

/** Its name, for messages. */
export function nameOf(place: string): string {
  return isData(place) ? `${place.slice(0, 40)}${place.length > 40 ? '...' : ''}` : place;
}
