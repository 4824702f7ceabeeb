/** WebGPU's information about a lost device. */
interface Lost {
  readonly reason: string;
  readonly message: string;
}

/**
 * Reports when the graphics card is lost, as when a driver restarts or a laptop sleeps.
 *
 * @param backend tfjs's backend; only WebGPU's has a device
 */
export function watchDevice(backend: object, tell: (message: string) => void): void {
  const { device } = backend as { readonly device?: { readonly lost?: Promise<Lost> } };
  void device?.lost?.then(({ reason, message }) => {
    if (reason === 'destroyed') return; // By the page itself.
    const why = message || 'the browser gave no reason';
    tell(`The graphics card stopped: ${why}. The page continues without it; none of your work is lost.`);
  });
}
