import { type Fit, type Placement, sameSize, sizeInWords } from './placement';

/** How much a picture may be enlarged, and longer than the model's, without a warning. */
const MOST_ENLARGED = 4;
const MOST_ELONGATED = 2;

/** Something that fitting does to a picture and that is hardly meant. */
export interface Oddity {
  /** What it is, to be read after the picture's name. */
  readonly text: string;
  /** The fit that does it, if another one does not. */
  readonly fit?: Fit;
}

export function odditiesOf(placement: Placement): Oddity[] {
  const { original, fitted, from, to } = placement;
  const scale = Math.max(to.width / from.width, to.height / from.height);
  const aspect = (original.width * fitted.height) / (original.height * fitted.width);
  const oddities: Oddity[] = [];
  if (scale > MOST_ENLARGED)
    oddities.push({
      text: `is enlarged from ${sizeInWords(from)} to ${sizeInWords(to)} pixels, and blurred: a larger picture shows more.`,
    });
  if (Math.max(aspect, 1 / aspect) > MOST_ELONGATED) {
    const { fit, loss } = lossOf(placement);
    const sizes = `is ${sizeInWords(original)}, and the model's picture ${sizeInWords(fitted)}`;
    oddities.push({ text: `${sizes}: ${loss}`, fit });
  }
  return oddities;
}

/** How the picture gets another shape. */
function lossOf({ original, fitted, from, to }: Placement): { readonly fit: Fit; readonly loss: string } {
  if (!sameSize(from, original)) return { fit: 'cover', loss: `only its middle, ${sizeInWords(from)}, is used.` };
  if (!sameSize(to, fitted)) return { fit: 'contain', loss: `it fills only ${sizeInWords(to)} of that.` };
  return { fit: 'stretch', loss: 'it is distorted.' };
}
