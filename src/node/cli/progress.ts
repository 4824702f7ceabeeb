import { Presets, SingleBar } from 'cli-progress';

/** A line on stderr that fills while something goes on, with the time left. Silent where stderr is no terminal. */
export class Progress {
  private task?: string;
  private bar?: SingleBar;

  constructor(private readonly quiet = false) {}

  /**
   * Shows that `done` of `total` are done; another task begins another line.
   *
   * @param unit what is counted, such as `steps`; a share in percent if left out
   */
  show(task: string, done: number, total: number, unit?: string): void {
    if (this.quiet || !process.stderr.isTTY) return;
    if (!this.bar || this.task !== task) {
      this.stop();
      const count = unit === undefined ? '{percentage}%' : `{value}/{total} ${unit}`;
      this.bar = new SingleBar(
        {
          stream: process.stderr,
          format: `${task.padEnd(18)} {bar} ${count}, {eta_formatted} left`,
          barsize: 30,
          hideCursor: true,
          gracefulExit: false,
        },
        Presets.shades_classic,
      );
      this.bar.start(total, 0);
      this.task = task;
    }
    this.bar.update(done);
    if (done >= total) this.stop();
  }

  /** Leaves the line as it is. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
    this.task = undefined;
  }
}
