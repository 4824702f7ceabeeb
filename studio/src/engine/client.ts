import type { Picture } from 'prompt-to-prompt-tfjs';
import type { Backend, ModelPlace, Recipe, Report, Request } from './protocol';

/**
 * The page's connection to the worker. If the worker hangs or dies, it reports so, and the page may start another one.
 */
export class Client {
  private worker!: Worker;
  private last?: Extract<Request, { type: 'load' }>;
  private readonly pictures = new Map<string, Picture>();
  private next = 1;
  private impatience?: ReturnType<typeof setTimeout>;
  /** Aborted when the page itself ends the worker. */
  private life = new AbortController();

  constructor(private readonly onReport: (report: Report) => void) {}

  load(model: ModelPlace, backend?: Backend): void {
    this.last = { type: 'load', model, backend };
    this.restart();
  }

  /** Gives the worker, and any that replaces it, a picture of the user's own. */
  give(name: string, picture: Picture): void {
    this.pictures.set(name, picture);
    this.post({ type: 'picture', name, picture });
  }

  /** A picture given before. */
  picture(name: string): Picture | undefined {
    return this.pictures.get(name);
  }

  /** @returns the rendering's number */
  render(recipe: Recipe, coarse: boolean): number {
    return this.ask((id) => ({ type: 'render', id, recipe, coarse }));
  }

  strip(recipes: readonly Recipe[]): number {
    return this.ask((id) => ({ type: 'strip', id, recipes }));
  }

  /** Stops the computation; reports it as endless if the worker does not respond within `patience` milliseconds. */
  stop(patience: number): void {
    this.post({ type: 'stop' });
    this.impatience ??= setTimeout(() => {
      this.onReport({
        type: 'failed',
        from: 'endless',
        message: 'The worker did not stop and was restarted. None of your work is lost.',
      });
    }, patience);
  }

  /** Ends the worker and starts another one with the same model. @param backend default: the same as before */
  restart(backend: Backend | undefined = this.last?.backend): void {
    this.calm();
    this.life.abort();
    this.worker?.terminate();
    const { signal } = (this.life = new AbortController());
    const name = `model ${Math.random()}`;
    this.worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name });
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => {
      this.calm();
      if (data.type === 'alive') this.watch(name, signal);
      else this.onReport(data);
    };
    this.worker.onerror = ({ message }) => this.ended(message || 'the browser gave no reason');
    for (const [name, picture] of this.pictures) this.post({ type: 'picture', name, picture });
    if (this.last) this.post((this.last = { ...this.last, backend }));
  }

  /** Browsers do not report a worker that is gone, but the lock that it held under its name becomes available. */
  private watch(name: string, signal: AbortSignal): void {
    navigator.locks
      .request(name, { signal }, () => this.ended('perhaps the browser ended it to free memory'))
      .catch(() => undefined); // The page ended it.
  }

  private ended(why: string): void {
    const message = `The worker ended: ${why}. It was restarted; none of your work is lost.`;
    this.onReport({ type: 'failed', from: 'memory', message });
  }

  private ask(request: (id: number) => Request): number {
    const id = this.next++;
    this.post(request(id));
    return id;
  }

  private post(request: Request): void {
    this.worker.postMessage(request);
  }

  private calm(): void {
    clearTimeout(this.impatience);
    this.impatience = undefined;
  }
}
