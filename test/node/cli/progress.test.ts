import { Progress } from '../../../src/node/cli/progress';

/** What is written to a terminal while steps end at these times, in seconds. */
function shown(times: readonly number[], total = times.length): string[] {
  let now = 0;
  const lines: string[] = [];
  const terminal = { isTTY: true, write: (text: string) => lines.push(text) };
  const progress = new Progress(false, terminal, () => now);
  progress.show('Editing', 0, total, 'steps');
  times.forEach((time, i) => {
    now = 1000 * time;
    progress.show('Editing', i + 1, total, 'steps');
  });
  return lines;
}

test('the time left is what the steps so far took, for those that are left', () => {
  const lines = shown([2, 4, 6, 8], 50).map((line) => / (\d+\/50 steps)(?:, (.+) left)?/.exec(line)?.slice(1));
  expect(lines).toEqual([
    ['0/50 steps', undefined],
    ['1/50 steps', '2 min'],
    ['2/50 steps', '2 min'],
    ['3/50 steps', '2 min'],
    ['4/50 steps', '2 min'],
  ]);
  expect(shown([5, 10], 4)[2]).toContain('2/4 steps, 10 s left');
});

test('the line is ended when all is done, and each task has its own', () => {
  expect(shown([1, 2]).at(-1)).toBe('\n');
});

test('where there is no terminal, or nothing is to be said, nothing is shown', () => {
  for (const [quiet, isTTY] of [
    [true, true],
    [false, false],
  ]) {
    const write = jest.fn();
    new Progress(quiet, { isTTY, write }).show('Editing', 1, 2);
    expect(write).not.toHaveBeenCalled();
  }
});
