/** Writes results/parity.json as a table of parts and backends into bench/README.md. */
import { readFileSync } from 'node:fs';
import { writeBetweenMarks } from '../../scripts/marks';
import type { Outcome } from '../parity';

interface Answers {
  readonly date: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: { readonly processor: string; readonly cores: number };
  readonly results: readonly Outcome[];
}

/** The columns: all ways to compute, whether measured or not. */
const COLUMNS: readonly { readonly name: string; has(outcome: Outcome): boolean }[] = [
  { name: 'cpu', has: ({ backend }) => backend === 'cpu' },
  { name: 'wasm, 1 thread', has: ({ backend, threads }) => backend === 'wasm' && threads === 1 },
  { name: 'wasm, all threads', has: ({ backend, threads }) => backend === 'wasm' && threads > 1 },
  { name: 'node', has: ({ backend, tiles }) => backend === 'node' && !tiles },
  { name: 'node, by tiles of bfloat16 throughout', has: ({ tiles }) => tiles === true },
  { name: 'webgpu', has: ({ backend }) => backend === 'webgpu' },
];

function table(outcomes: readonly Outcome[]): string {
  const parts = [...new Set(outcomes.map(({ part }) => part))];
  const rows = parts.map((part) => {
    const ofPart = outcomes.filter((outcome) => outcome.part === part);
    const names = new Set(ofPart.map(({ name }) => name));
    const most = Math.max(...ofPart.map((outcome) => outcome.most));
    return `| ${part} | ${names.size} | ${COLUMNS.map(({ has }) => cell(ofPart.filter(has))).join(' | ')} | ${scientific(most)} |`;
  });
  return [
    `| | comparisons | ${COLUMNS.map(({ name }) => name).join(' | ')} | allowed |`,
    `|---|---|${COLUMNS.map(() => '---|').join('')}---|`,
    ...rows,
  ].join('\n');
}

/** The largest difference of a part on a backend, or its failures. */
function cell(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return 'not there';
  const failed = outcomes.filter(({ largest, most }) => !(largest !== undefined && largest < most));
  const measured = outcomes.flatMap(({ largest }) => largest ?? []);
  const largest = measured.length > 0 ? scientific(Math.max(...measured)) : '';
  return failed.length > 0 ? `**${failed.length} of ${outcomes.length} fail** ${largest}`.trim() : largest;
}

const scientific = (value: number): string =>
  value === 0 ? '0' : value.toExponential(value.toExponential(0) === value.toExponential() ? 0 : 1);

function madeOn({ date, node, versions, machine, results }: Answers): string {
  const device = results.find(({ device }) => device)?.device;
  const packages = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `\`npm run bench -- parity\`, ${date.slice(0, 10)}, ${machine.cores} cores of ${machine.processor}, Node ${node}, ${packages}${device ? `; webgpu on ${device}` : ''}.`;
}

const answers = JSON.parse(readFileSync('bench/results/parity.json', 'utf8')) as Answers;
void writeBetweenMarks('bench/README.md', 'parity', `${table(answers.results)}\n\n${madeOn(answers)}`);
