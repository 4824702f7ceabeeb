import type * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import type { Guidance } from '../guidance/guidance';
import type { DDIMSampler } from '../sampler/ddim';
import type { Sampler } from '../sampler/sampler';
import { adding } from './editFriendly';
import type { InversionName } from './names';
import { ProximalGuidance } from './proximal';

/** What was recorded of a picture that was inverted. Its tensors are made where they are asked for. */
export interface RecordedPicture {
  /** The edits' scale. */
  readonly guidance: number;
  /** How many of the noisiest steps were left out. */
  readonly skip: number;
  /** The source's latents after the step that is being taken. */
  latents(): tf.Tensor4D;
  /** What that step adds, in units of its deviation. */
  added(): tf.Tensor4D;
}

/** What an edit's run has of its method, besides the source. */
export interface MethodOfRecording {
  readonly guidance?: Guidance;
  sampler?(usual: Sampler): Sampler;
  /** Before the edit's own controllers. */
  readonly controller?: AttentionController;
}

/** Those whose edits are not a usual run from the recording's noise. */
const METHODS: Partial<Record<InversionName, (picture: RecordedPicture) => MethodOfRecording>> = {
  proximal: ({ guidance: scale, latents }) => {
    // Where it goes back to the picture, the source is on the trajectory.
    const guidance = new ProximalGuidance({ scale, goBack: { trajectory: { after: latents } } });
    return { guidance, controller: guidance.back };
  },
  'edit-friendly': ({ skip, added }) => ({ sampler: (usual) => adding(usual as DDIMSampler, skip, added) }),
};

/** @param method by which the source of a recording was inverted, if it was */
export function methodOfRecording(method: string | undefined, picture: RecordedPicture): MethodOfRecording {
  return METHODS[method as InversionName]?.(picture) ?? {};
}
