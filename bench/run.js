// npm run bench [-- --full] [QUESTION ...]: runs every benchmark ("question") of this folder, or those named, on every
// available backend, and its peer in peers/ if Python has the packages it needs. Results go to
// bench/results/QUESTION.json; a question's show.ts makes a plot or a table of them. Times are in milliseconds.
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { Argument, program } = require('commander');
const { join } = require('node:path');
const { buildPackage, bundle } = require('../scripts/bundle');

const root = join(__dirname, '..');
const shared = ['editing', 'measure', 'randomUNet'];
const all = readdirSync(__dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !shared.includes(name));

program
  .name('bench')
  .description('Measure this project beside its peers. Every answer is written to bench/results.')
  .addArgument(new Argument('[questions...]', 'what to ask; all, if none is named').choices(all))
  .option('--full', "longer, and at Stable Diffusion 1.4's size too")
  .parse();
const full = program.opts().full ? ['--full'] : [];
const named = program.args;

/** The ways to run a question: wasm on one thread and on all, and TensorFlow's kernels. */
const WAYS = [['--backend=wasm', '--threads=1'], ['--backend=wasm'], ['--backend=node']];

/** Whether the processor can multiply bfloat16 tiles (native/tiles.h). */
const hasTiles = existsSync('/proc/cpuinfo') && readFileSync('/proc/cpuinfo', 'utf8').includes('amx_bf16');

/**
 * Parity does not depend on speed: it also runs on slow backends, and with tiles even for layers that are faster
 * without.
 */
const waysOf = (question) => {
  if (question === 'studio') return [['--backend=wasm']]; // The only backend that both browsers and Node have.
  if (question !== 'parity') return WAYS;
  return [['--backend=cpu'], ...WAYS, ...(hasTiles ? [['--backend=node', '--tiles=all']] : []), ['--backend=webgpu']];
};

/** The JSON lines that a program prints, even if it fails before its end. */
function ask(command, ...args) {
  try {
    return {
      lines: parse(
        execFileSync(command, [...args, ...full], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' }),
      ),
    };
  } catch (error) {
    const why =
      String(error.stderr ?? '')
        .trim()
        .split('\n')
        .find((line) => /Error/.test(line)) ??
      (error.signal
        ? `stopped by ${error.signal}`
        : error.message.replace(/^Command failed: .*/s, `ended with ${error.status}`));
    const skipped = `${[command === process.execPath ? '' : command, ...args.slice(1)].join(' ').trim()}: ${why}`;
    console.log(`  skipped: ${skipped}`);
    return { lines: parse(String(error.stdout ?? '')), skipped };
  }
}

const parse = (output) =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

/** The commit that is measured. */
function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
    }).trim();
  } catch {
    return undefined; // Not a clone.
  }
}

function askAll(question, compiled) {
  const machine = {
    processor: os.cpus()[0].model,
    cores: os.cpus().length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release()}`,
  };
  const before = {
    question,
    date: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    machine,
    load: os.loadavg()[0],
    full: full.length > 0,
  };
  const peer = join(__dirname, 'peers', `${question}.py`);
  const answers = [
    ...waysOf(question).map((way) => ask(process.execPath, compiled, ...way)),
    ...(existsSync(peer) ? [ask('python3', `bench/peers/${question}.py`)] : []),
  ];
  const lines = answers.flatMap((answer) => answer.lines);
  return {
    ...before,
    versions: Object.assign({}, ...lines.map(({ versions }) => versions)),
    skipped: answers.flatMap(({ skipped }) => skipped ?? []),
    results: lines.filter(({ versions }) => !versions),
  };
}

async function main() {
  buildPackage();
  mkdirSync(join(__dirname, 'results'), { recursive: true });
  for (const question of named.length > 0 ? named : all) {
    const compiled = await bundle(join(__dirname, `${question}.ts`));
    console.log(`\n${question}`);
    const answers = askAll(question, compiled);
    writeFileSync(join(__dirname, 'results', `${question}.json`), `${JSON.stringify(answers, null, 2)}\n`);
    const show = join(__dirname, question, 'show.ts');
    if (existsSync(show)) execFileSync(process.execPath, [await bundle(show)], { cwd: root, stdio: 'inherit' });
    console.table(answers.results.map(({ spread, runs, versions, ...line }) => line));
  }
}

void main();
