import * as tf from '@tensorflow/tfjs';
import type { AttentionController } from '../attention/controller';
import { takeRow } from '../attention/rows';
import type { Guidance, GuidanceCall, Predictions } from '../guidance/guidance';
import { quantile } from '../sampler/prediction';
import type { InversionTask, Inverted } from './method';
import { negativePrompt } from './negativePrompt';
import type { Trajectory } from './trajectory';

/**
 * Negative-prompt inversion with proximal guidance, which also moves unedited parts back to the picture (Han et al.
 * 2023, arXiv 2306.05414).
 */
export async function proximal(task: InversionTask): Promise<Inverted> {
  const { trajectory, options } = await negativePrompt(task);
  const guidance = new ProximalGuidance({ scale: task.guidance, goBack: { trajectory } });
  return { trajectory, options: { ...options, guidance }, controller: guidance.back };
}

export interface ProximalOptions {
  /** The guidance scale. Default: 7.5. */
  readonly scale?: number;
  /** The quantile of the absolute differences that is the threshold. Default: 0.75. */
  readonly quantile?: number;
  /** A fixed threshold instead of a quantile. */
  readonly threshold?: number;
  /** `l0` subtracts the threshold once, `l1` twice, as in the authors' code. Default: l0. */
  readonly norm?: 'l0' | 'l1';
  /** Towards the end of a run, moves the latents back to the picture's trajectory where nothing is edited. */
  readonly goBack?: {
    /** Not disposed of. */
    readonly trajectory: Pick<Trajectory, 'after'>;
    /** How far to move back after each step, 1 being all the way. Default: 1. */
    readonly rate?: number;
    /** It starts below this timestep. Default: 400. */
    readonly below?: number;
  };
}

/**
 * Proximal guidance (Han et al. 2023, arXiv 2306.05414, section 3.2): where the prompt asks for little change, guidance
 * asks for none. The differences that guidance multiplies are soft-thresholded, with one threshold for all prompts
 * together. For a source whose negative prompt is its own prompt (negative-prompt inversion).
 *
 * Use it in one run at a time.
 */
export class ProximalGuidance implements Guidance {
  readonly name: string;
  readonly rows = [{ role: 'unconditional', text: 'negative' }] as const;
  /**
   * Moves the latents back where nothing is edited. Compose it into the run before controllers that read the latents.
   */
  readonly back: AttentionController;
  /** 1 where the last step edited, else 0; [prompts, height, width, channels]. */
  private edited?: tf.Tensor4D;

  constructor(private readonly options: ProximalOptions = {}) {
    const { scale = 7.5, quantile = 0.75, threshold, norm = 'l0', goBack } = options;
    this.name = `proximal(${[scale, threshold === undefined ? quantile : `threshold ${threshold}`, norm].join(', ')})`;
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
    // A recorded source has no row here but still counts for the quantile: its differences are 0.
    const withSource = prompts.includes(0);
    const differences = withSource ? computed : tf.concat([tf.zerosLike(takeRow(computed, 0)), computed]);
    const threshold = this.thresholdOf(differences);
    const shrunk = norm === 'l0' ? soft(differences, threshold) : softTwice(differences, threshold);
    if (goBack) {
      this.edited?.dispose();
      // Widens the edited area by one latent on each side.
      const edited = tf.cast(tf.greater(tf.abs(shrunk), threshold), 'float32') as tf.Tensor4D;
      this.edited = tf.keep(tf.maxPool(edited, 3, 1, 'same'));
    }
    const ofComputed = withSource ? shrunk : tf.slice(shrunk, 1);
    const guided = tf.add(unconditional, tf.mul(ofComputed, scale));
    // Keeps what earlier guidances have added.
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

/** First the positive values, then the negative ones of that result, as in the authors' code. */
function softTwice(x: tf.Tensor4D, threshold: tf.Scalar): tf.Tensor4D {
  const once = soft(x, threshold);
  const positive = tf.where(tf.greater(once, 0), tf.sub(once, threshold), once);
  return tf.where(tf.less(positive, 0), tf.add(positive, threshold), positive) as tf.Tensor4D;
}
