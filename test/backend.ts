import * as tf from '@tensorflow/tfjs';
import { chooseBackend } from '../src/node/backend';

/**
 * Starts the backend before a file's tests and stops it after them: wasm, or the one named by the environment variable
 * P2P_BACKEND. Call it at the top of a test file. Uses one thread, because jest runs as many files in parallel as there
 * are cores.
 */
export function useBackend(): void {
  beforeAll(async () => {
    await chooseBackend(process.env.P2P_BACKEND || 'wasm', { threads: 1 });
  });
  afterAll(() => {
    tf.removeBackend(tf.getBackend());
  });
}
