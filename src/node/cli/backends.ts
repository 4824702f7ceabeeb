import { openCheckpoint } from '../checkpoint';
import type { BackendDescription } from '../describeBackends';
import { describeBackends, recommendBackend } from '../describeBackends';
import { describe } from './info';
import type { Manner } from './options';
import { table } from './text';

/** Measures the available backends, and says which one the model would run on. */
export async function backends(model: string, { json, quiet }: Manner): Promise<void> {
  const { cost } = await describe(await openCheckpoint(model));
  const described = await describeBackends({
    warn: (message) => void (quiet || process.stderr.write(`warning: ${message}\n`)),
  });
  const choice = recommendBackend(described, cost.weightBytes);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ command: 'backends', backends: described, model, choice }, undefined, 2)}\n`,
    );
  else if (!quiet)
    process.stdout.write(
      `${inWords(described)}\n\n${model} would run on ${choice.name ?? 'nothing'}: ${choice.why}.\n`,
    );
}

function inWords(backends: readonly BackendDescription[]): string {
  const rows = backends.map((backend) =>
    'info' in backend
      ? [
          backend.name,
          backend.info.device ?? `${backend.info.threads} thread${backend.info.threads === 1 ? '' : 's'}`,
          Math.round(backend.gflops.matMul),
          Math.round(backend.gflops.conv2d),
          memory(backend.memoryLimit),
        ]
      : [backend.name, 'not available', '', '', ''],
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
