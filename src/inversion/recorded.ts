import type * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import type { Guidance } from '../guidance/guidance';
import type { DDIMSampler } from '../sampler/ddim';
import type { Sampler } from '../sampler/sampler';
import { adding } from './editFriendly';
import type { InversionName } from './names';
import { ProximalGuidance } from './proximal';

/** What was recorded of an inverted picture. Each call creates its tensor anew. */
export interface RecordedPicture {
  /** The edits' guidance scale. */
  readonly guidance: number;
  /** How many of the noisiest steps were skipped. */
  readonly skip: number;
  /** The source's latents after the current step. */
  latents(): tf.Tensor4D;
  /** The noise that the current step adds, in units of its standard deviation. */
  added(): tf.Tensor4D;
}

/** What the inversion method adds to an edit's run, besides the source. */
export interface MethodOfRecording {
  readonly guidance?: Guidance;
  sampler?(usual: Sampler): Sampler;
  /** Composed before the edit's own controllers. */
  readonly controller?: AttentionController;
}

/** Methods whose edits are not simply a run from the recording's noise. */
const METHODS: Partial<Record<InversionName, (picture: RecordedPicture) => MethodOfRecording>> = {
  proximal: ({ guidance: scale, latents }) => {
    // The recorded source is on the trajectory, so its latents are where to move back to.
    const guidance = new ProximalGuidance({ scale, goBack: { trajectory: { after: latents } } });
    return { guidance, controller: guidance.back };
  },
  'edit-friendly': ({ skip, added }) => ({ sampler: (usual) => adding(usual as DDIMSampler, skip, added) }),
};

/** @param method by which the recording's source was inverted, if it was */
export function methodOfRecording(method: string | undefined, picture: RecordedPicture): MethodOfRecording {
  return METHODS[method as InversionName]?.(picture) ?? {};
}
