// The Python SDK's client, 2.x and 1.x, against each server. The checks are in
// python/drive.py, which prints one JSON object for each.
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { everything, filesystem, full, memory, scratch } from '../lib/servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const RUN_MS = 120_000;
export const versions = { 'Python SDK 2.x': 'venv', 'Python SDK 1.x': 'venv-1' };
// How many checks each makes, so that one that ends early is noticed.
const counts = { full: 16, stateless: 9, everything: 3, filesystem: 1, memory: 1 };

export async function python(report) {
  for (const [name, venv] of Object.entries(versions)) {
    const { folder, remove } = scratch();
    const old = venv === 'venv-1'; // it doesn't tell when it gives up: one check less
    await driven(report, name, venv, 'full', full(), folder, 'legacy', counts.full - (old ? 1 : 0));
    await driven(report, name, venv, 'everything', everything(), folder);
    await driven(report, name, venv, 'filesystem', filesystem(folder), folder);
    await driven(report, name, venv, 'memory', memory(join(folder, 'memory.jsonl')), folder);
    remove();
  }
}

// The 2.x client in its modern era, asked for and found out, before a server of each.
export async function modernPython(report) {
  const [name, venv] = Object.entries(versions)[0];
  for (const era of ['modern', 'session']) {
    for (const mode of ['2026-07-28', 'auto']) {
      const flags = ['--eras', 'both'];
      await driven(report, `${name}, ${mode}, ${era} child`, venv, 'stateless', full(era), tmpdir(), mode, undefined, flags);
    }
  }
}

// `at`: where the client goes, of the URL in the proxy's ready line.
export async function driven(report, name, venv, what, command, folder, mode = 'legacy', least = counts[what], flags = [], at = (url) => url) {
  await report.group(`${name}, ${what}`, (check) =>
    behindProxy(check, command, async (url) => {
      const { checks, end } = await drive(venv, [at(url), what, folder, mode]);
      for (const { check: made, ok, error } of checks) {
        await check(made, () => {
          if (!ok) throw new Error(error);
        });
      }
      await check(`all ${least} checks were made`, () => {
        if (checks.length !== least) throw new Error(`${checks.length} were; it ended with ${end}`);
      });
    }, { flags }),
  );
}

export function drive(venv, args) {
  const interpreter = join(root, venv, 'bin', 'python');
  return new Promise((resolve, reject) => {
    const child = spawn(interpreter, [join(root, 'python', 'drive.py'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_MS,
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err = (err + chunk).slice(-3000)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const checks = out
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
      resolve({ checks, end: `${code ?? signal}\n${err}` });
    });
  });
}
