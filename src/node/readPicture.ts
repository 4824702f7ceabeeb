import sharp, { type Metadata } from 'sharp';
import type { Picture } from '../image/picture';
import { nameOf, readBytes } from './readBytes';

/** The file types that are read, by sharp's names; it calls AVIF `heif` with compression `av1`. */
const KINDS: Record<string, string> = { png: 'PNG', jpeg: 'JPEG', webp: 'WebP', heif: 'AVIF', gif: 'GIF' };
const KNOWN = 'PNG, JPEG, WebP, still AVIF and GIF files are';
/** What sharp decodes at most, unless told otherwise. */
const MAX_PIXELS = 0x3fff ** 2;
const TOO_LARGE = /exceeds pixel limit/;

/** A picture read from a file: upright, opaque and in sRGB. */
export interface PictureFile {
  readonly picture: Picture;
  /**
   * What was done to it that may be unexpected, without the file's name, such as `transparent: composited over white`.
   */
  readonly notes: readonly string[];
}

/**
 * Reads a picture of any common type: rotated by its EXIF data, 16 bits per channel reduced to the upper 8, grey and
 * CMYK converted to sRGB, transparency composited over white, and only the first frame of an animation.
 *
 * @param file its path, or the file itself as a `data:` URL
 * @throws if there is no such file, or it is not a complete picture of a supported type; the error names it
 */
export async function readPicture(file: string): Promise<PictureFile> {
  const bytes = await readBytes(file);
  try {
    const metadata = await sharp(bytes).metadata();
    checkKind(metadata);
    const { data, info } = await sharp(bytes, { failOn: 'error', page: 0, pages: 1 })
      .autoOrient()
      .toColourspace('srgb')
      .flatten({ background: '#ffffff' })
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const picture = { width: info.width, height: info.height, data: Uint8ClampedArray.from(data) };
    return { picture, notes: await notesOf(metadata, bytes) };
  } catch (error) {
    const { message } = error as Error;
    throw new Error(
      TOO_LARGE.test(message)
        ? `${nameOf(file)} has too many pixels (${MAX_PIXELS.toLocaleString('en')} can be read). Make it smaller.`
        : `${nameOf(file)} is not a picture that can be read (${reasonIn(message, bytes)}). ${KNOWN}.`,
    );
  }
}

/** In one line, since decoders may give a line for each of their complaints, of which the last is the cause. */
function reasonIn(message: string, bytes: Buffer): string {
  if (bytes.toString('latin1', 4, 12) === 'ftypavis') return 'it is an animated AVIF';
  const lines = message.split('\n').map((line) => line.trim());
  return (lines.filter((line) => /[a-z]{3}/i.test(line)).at(-1) ?? message).replace(/\.$/, '');
}

function checkKind({ format, compression }: Metadata): void {
  if (!(format in KINDS)) throw new Error(`it is ${format.toUpperCase()}`);
  if (format === 'heif' && compression !== 'av1') throw new Error('it is HEIC');
}

async function notesOf(metadata: Metadata, bytes: Buffer): Promise<string[]> {
  const transparent = metadata.hasAlpha && !(await sharp(bytes).stats()).isOpaque;
  const animated = (metadata.pages ?? 1) > 1 || (metadata.format === 'png' && isAnimatedPng(bytes));
  return [
    ...(transparent ? ['transparent: composited over white'] : []),
    ...(metadata.space === 'cmyk' ? ['CMYK: its colours in sRGB'] : []),
    ...(animated ? ['animated: its first frame'] : []),
  ];
}

/** libvips reads only the default image of an animated PNG and does not report the other frames. */
function isAnimatedPng(bytes: Buffer): boolean {
  return bytes.subarray(0, bytes.indexOf('IDAT')).includes('acTL');
}
