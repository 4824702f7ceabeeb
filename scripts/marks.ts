import { readFile, writeFile } from 'node:fs/promises';

/** A file's text before and after the part between two marks, including the marks. @throws if it lacks them */
export async function findMarks(file: string, name: string): Promise<[before: string, after: string]> {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const text = await readFile(file, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`${file} has no place for the ${name}: put the lines ${begin} and ${end} where they should stand.`);
  return [text.slice(0, from + begin.length), text.slice(to)];
}

/** Puts text between the two marks of a file. @throws if it lacks them */
export async function writeBetweenMarks(file: string, name: string, text: string): Promise<void> {
  const [before, after] = await findMarks(file, name);
  await writeFile(file, `${before}\n\n${text}\n\n${after}`);
}
