import type { Command } from 'commander';
import { EMBEDDED, openCheckpoint } from '../checkpoint';
import type { BackendDescription } from '../describeBackends';
import { describeBackends, recommendBackend } from '../describeBackends';
import { describe } from './info';
import type { Manner } from './options';
import { addManner } from './options';
import { table } from './text';

export function addBackends(program: Command): void {
  addManner(program.command('backends'), false)
    .description('Say what there is to compute with here, how fast it is, and which backend a model would be run on.')
    .argument('[model]', 'the model in question', EMBEDDED)
    .action(async (model: string, { json, quiet }: Manner) => {
      const { cost } = await describe(await openCheckpoint(model));
      const backends = await describeBackends({
        warn: (message) => void (quiet || process.stderr.write(`warning: ${message}\n`)),
      });
      const choice = recommendBackend(backends, cost.weightBytes);
      if (json)
        process.stdout.write(`${JSON.stringify({ command: 'backends', backends, model, choice }, undefined, 2)}\n`);
      else if (!quiet)
        process.stdout.write(
          `${inWords(backends)}\n\n${model} would be run on ${choice.name ?? 'nothing'}: ${choice.why}.\n`,
        );
    });
}

function inWords(backends: readonly BackendDescription[]): string {
  const rows = backends.map((backend) =>
    'info' in backend
      ? [
          backend.name,
          backend.info.device ?? `${backend.info.threads} threads`,
          Math.round(backend.gflops.matMul),
          Math.round(backend.gflops.conv2d),
          memory(backend.memoryLimit),
        ]
      : [backend.name, 'not here', '', '', ''],
  );
  const missing = backends.flatMap((backend) => ('missing' in backend ? [`${backend.name}: ${backend.missing}`] : []));
  return [
    table([['backend', 'computes on', 'matMul GFLOP/s', 'conv2d GFLOP/s', 'memory'], ...rows]),
    ...(missing.length > 0 ? ['', ...missing] : []),
  ].join('\n');
}

function memory(bytes?: number): string {
  return bytes === undefined ? '' : `${(bytes / 2 ** 30).toFixed(0)} GiB`;
}
