/** Writes a table of the slowest kernels in results/profile.json into bench/README.md. */
import { readFileSync } from 'node:fs';
import { writeBetweenMarks } from '../../scripts/marks';
import type { KernelTime } from '../profile';

const MOST = 8;

const { date, results } = JSON.parse(readFileSync('bench/results/profile.json', 'utf8')) as {
  date: string;
  results: KernelTime[];
};
const tables = [...new Set(results.map(({ backend }) => backend))].map((backend) => {
  const kernels = results.filter((line) => line.backend === backend);
  const rows = kernels
    .slice(0, MOST)
    .map(
      ({ kernel, calls, milliseconds, share }) =>
        `| ${kernel} | ${calls} | ${milliseconds} ms | ${(100 * share).toFixed(0)} % |`,
    );
  const { threads } = kernels[0];
  return [
    `| ${backend}, ${threads} thread${threads > 1 ? 's' : ''} | calls | time | of all kernels |`,
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
});
void writeBetweenMarks(
  'bench/README.md',
  'kernels',
  `${tables.join('\n\n')}\n\n\`npm run bench -- profile\`, ${date.slice(0, 10)}; the ${MOST} kernels that take longest.`,
);
