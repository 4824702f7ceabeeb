// npm run bench [-- --full] [QUESTION ...]: asks every question of this folder, or those named, of every backend that is there, and
// of its peer in peers/ where Python has what that needs. Results go to bench/results/QUESTION.json.
const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync, readdirSync, writeFileSync } = require('node:fs');
const os = require('node:os');
const { join } = require('node:path');
const { buildPackage, bundle } = require('../scripts/bundle');

const root = join(__dirname, '..');
const full = process.argv.includes('--full') ? ['--full'] : [];
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const shared = ['measure', 'randomUNet'];
const all = readdirSync(__dirname).filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -3)).filter((name) => !shared.includes(name));

/** Every way to run a question: wasm on one thread and on all, and TensorFlow's kernels. */
const WAYS = [['--backend=wasm', '--threads=1'], ['--backend=wasm'], ['--backend=node']];

function lines(program, ...args) {
  try {
    const output = execFileSync(program, [...args, ...full], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
    return output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  } catch (error) {
    console.log(`  skipped: ${args.slice(-2).join(' ')}: ${String(error.stderr).trim().split('\n').find((line) => /Error/.test(line)) ?? error.message}`);
    return [];
  }
}

async function main() {
  buildPackage();
  mkdirSync(join(__dirname, 'results'), { recursive: true });
  for (const question of named.length > 0 ? named : all) {
    const program = await bundle(join(__dirname, `${question}.ts`));
    console.log(`\n${question}`);
    const results = WAYS.flatMap((way) => lines(process.execPath, program, ...way));
    const peer = join(__dirname, 'peers', `${question}.py`);
    if (existsSync(peer)) results.push(...lines('python3', peer));
    const machine = { processor: os.cpus()[0].model, cores: os.cpus().length, memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`, system: `${os.type()} ${os.release()}` };
    const load = os.loadavg()[0];
    const asked = { question, date: new Date().toISOString(), node: process.version, machine, load, full: full.length > 0, milliseconds: results };
    writeFileSync(join(__dirname, 'results', `${question}.json`), `${JSON.stringify(asked, null, 2)}\n`);
    console.table(results.map(({ backend, threads, work, best, median, ratio }) => ({ backend, threads, work, best, median, ratio })));
  }
}

void main();
