/** What WebGPU says of a device that is gone. */
interface Lost {
  readonly reason: string;
  readonly message: string;
}

/** A graphics card may go away: a driver restarts, a laptop sleeps. @param backend tfjs's; only WebGPU's has a device */
export function watchDevice(backend: object, tell: (message: string) => void): void {
  const { device } = backend as { readonly device?: { readonly lost?: Promise<Lost> } };
  void device?.lost?.then(({ reason, message }) => {
    if (reason === 'destroyed') return; // By the page itself.
    const why = message || 'the browser gave no reason';
    tell(`The graphics card stopped: ${why}. The page continues without it; none of your work is lost.`);
  });
}
