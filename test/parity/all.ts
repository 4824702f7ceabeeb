import type { Comparison } from './comparison';
import { controllers } from './controllers';
import { edits } from './edits';
import { inversions, pictureEdits } from './inversions';
import { metrics } from './metrics';
import { recordings } from './recordings';
import { samplers } from './samplers';
import { textEncoder } from './textEncoder';
import { unet } from './unet';
import { vae } from './vae';

/** Every comparison, part by part. */
export const comparisons: readonly Comparison[] = [
  ...textEncoder,
  ...unet,
  ...vae,
  ...samplers,
  ...controllers,
  ...edits,
  ...inversions,
  ...pictureEdits,
  ...recordings,
  ...metrics,
];
