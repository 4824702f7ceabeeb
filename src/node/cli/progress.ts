const WIDTH = 30;

/** A progress bar on stderr, with the time left. Silent if stderr is not a terminal. */
export class Progress {
  private task?: string;
  private start = 0;
  private readonly silent: boolean;

  /** @param terminal the output stream @param now the current time, in milliseconds */
  constructor(
    quiet = false,
    private readonly terminal: { isTTY?: boolean; write(text: string): unknown } = process.stderr,
    private readonly now = () => performance.now(),
  ) {
    this.silent = quiet || !terminal.isTTY;
  }

  /**
   * Shows that `done` of `total` are done; a new task begins a new line. The time left is estimated from a task's first
   * call on, so make that before anything is done.
   *
   * @param unit what is counted, such as `steps`; a percentage if left out
   */
  show(task: string, done: number, total: number, unit?: string): void {
    if (this.silent) return;
    if (this.task !== task) {
      this.stop();
      this.task = task;
      this.start = this.now();
    }
    const filled = total > 0 ? Math.round((WIDTH * done) / total) : WIDTH;
    const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
    const count = unit === undefined ? `${Math.floor((100 * done) / total)}%` : `${done}/${total} ${unit}`;
    this.terminal.write(`\r${task.padEnd(18)} ${bar} ${count}${this.left(done, total)}\x1b[K`);
    if (done >= total) this.stop();
  }

  /** Ends the current line. */
  stop(): void {
    if (this.task !== undefined) this.terminal.write('\n');
    this.task = undefined;
  }

  /** The estimated time left, assuming the same average time per item. */
  private left(done: number, total: number): string {
    if (done === 0 || done >= total) return '';
    const seconds = Math.ceil((((this.now() - this.start) / done) * (total - done)) / 1000);
    return seconds < 60 ? `, ${seconds} s left` : `, ${Math.round(seconds / 60)} min left`;
  }
}
