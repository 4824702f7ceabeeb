import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import { takeRow } from '../attention/rows';
import type { Guidance, GuidanceCall, Predictions } from '../guidance/guidance';
import { quantile } from '../sampler/prediction';
import type { InversionTask, Inverted } from './method';
import { negativePrompt } from './negativePrompt';
import type { Trajectory } from './trajectory';

/**
 * Negative-prompt inversion with proximal guidance, and a way back to the picture where nothing is edited (Han et al.
 * 2023, arXiv 2306.05414).
 */
export async function proximal(task: InversionTask): Promise<Inverted> {
  const { trajectory, options } = await negativePrompt(task);
  const guidance = new ProximalGuidance({ scale: task.guidance, goBack: { trajectory } });
  return { trajectory, options: { ...options, guidance }, controller: guidance.back };
}

export interface ProximalOptions {
  /** How far guidance goes; 7.5 by default. */
  readonly scale?: number;
  /** The quantile of the differences under which they count as none; 0.75 by default. */
  readonly quantile?: number;
  /** A fixed bound instead of a quantile. */
  readonly threshold?: number;
  /** `l1` takes the threshold away twice, as the authors' code does. Default: l0. */
  readonly norm?: 'l0' | 'l1';
  /** Goes back to the picture where nothing is edited: towards the end of a run, on its trajectory. */
  readonly goBack?: {
    /** Stays the caller's. */
    readonly trajectory: Pick<Trajectory, 'after'>;
    /** How much of the way after each step; 1 by default. */
    readonly rate?: number;
    /** The timestep under which it begins; 400 by default. */
    readonly below?: number;
  };
}

/**
 * Proximal guidance (Han et al. 2023, arXiv 2306.05414, section 3.2): where the prompt asks for little change, guidance
 * asks for none. The differences that guidance multiplies, of all prompts together, lose their threshold's share. For a
 * source whose negative prompt is its own prompt (negative-prompt inversion).
 *
 * Of one run at a time.
 */
export class ProximalGuidance implements Guidance {
  readonly name: string;
  readonly rows = [{ role: 'unconditional', text: 'negative' }] as const;
  /** Goes back where nothing is edited; for the run, before controllers that look at the latents. */
  readonly back: AttentionController;
  /** 1 where the last step edits, [prompts, height, width, channels]. */
  private edited?: tf.Tensor4D;

  constructor(private readonly options: ProximalOptions = {}) {
    const { scale = 7.5, quantile = 0.75, threshold, norm = 'l0', goBack } = options;
    this.name = `proximal(${[scale, threshold ? `threshold ${threshold}` : quantile, norm].join(', ')})`;
    const forget = (): void => {
      this.edited?.dispose();
      this.edited = undefined;
    };
    this.back = {
      wants: () => [],
      onLatents: (latents, { step, timestep }) => {
        if (!goBack || timestep >= (goBack.below ?? 400)) return latents;
        const away = tf.sub(latents, goBack.trajectory.after(step));
        return tf.sub(latents, tf.mul(tf.mul(away, goBack.rate ?? 1), tf.sub(1, this.edited!)));
      },
      begin: forget,
      end: forget,
    };
  }

  guide(
    prediction: tf.Tensor4D,
    { conditional, unconditional }: Predictions,
    { prompts }: Pick<GuidanceCall, 'prompts'>,
  ): tf.Tensor4D {
    const { scale = 7.5, norm = 'l0', goBack } = this.options;
    const computed = tf.sub(conditional, unconditional) as tf.Tensor4D;
    // A source that was recorded has no row here, but counts all the same: its differences are none.
    const withSource = prompts.includes(0);
    const differences = withSource ? computed : tf.concat([tf.zerosLike(takeRow(computed, 0)), computed]);
    const threshold = this.thresholdOf(differences);
    const shrunk = norm === 'l0' ? soft(differences, threshold) : softTwice(differences, threshold);
    if (goBack) {
      this.edited?.dispose();
      // A ring of one more latent around what is edited.
      const edited = tf.cast(tf.greater(tf.abs(shrunk), threshold), 'float32') as tf.Tensor4D;
      this.edited = tf.keep(tf.maxPool(edited, 3, 1, 'same'));
    }
    const ofComputed = withSource ? shrunk : tf.slice(shrunk, 1);
    const guided = tf.add(unconditional, tf.mul(ofComputed, scale));
    // What guidances before this one have added stays.
    return tf.add(guided, tf.sub(prediction, conditional));
  }

  private thresholdOf(differences: tf.Tensor4D): tf.Scalar {
    const { threshold, quantile: share = 0.75 } = this.options;
    if (threshold !== undefined) return tf.scalar(threshold);
    return tf.reshape(quantile(tf.reshape(tf.abs(differences), [1, -1]), share), []);
  }
}

function soft(x: tf.Tensor4D, threshold: tf.Scalar): tf.Tensor4D {
  return tf.sub(x, tf.minimum(tf.maximum(x, tf.neg(threshold)), threshold)) as tf.Tensor4D;
}

/** The one sign after the other, and each by the result so far: as in the authors' code. */
function softTwice(x: tf.Tensor4D, threshold: tf.Scalar): tf.Tensor4D {
  const once = soft(x, threshold);
  const positive = tf.where(tf.greater(once, 0), tf.sub(once, threshold), once);
  return tf.where(tf.less(positive, 0), tf.add(positive, threshold), positive) as tf.Tensor4D;
}
