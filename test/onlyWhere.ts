/** `test` if the machine has what the test needs; otherwise a skipped test whose name says what is missing. */
export function onlyWhere(
  there: boolean,
  missing: string,
): (name: string, work: jest.ProvidesCallback, timeout?: number) => void {
  // Skipped where the machine lacks a browser, a kernel or the like: the test's name says which.
  return (name, work, timeout) =>
    there ? test(name, work, timeout) : test.skip(`${name} (skipped: ${missing})`, work, timeout);
}
