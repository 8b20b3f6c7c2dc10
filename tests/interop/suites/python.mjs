// The Python SDK's client, 2.x and 1.x, against each server. The checks are in
// python/drive.py, which prints one JSON object for each.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { everything, filesystem, full, memory, scratch } from '../lib/servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const RUN_MS = 120_000;
export const versions = { 'Python SDK 2.x': 'venv', 'Python SDK 1.x': 'venv-1' };
// How many checks each makes, so that one that ends early is noticed.
const counts = { full: 16, everything: 3, filesystem: 1, memory: 1 };

export async function python(report) {
  for (const [name, venv] of Object.entries(versions)) {
    const { folder, remove } = scratch();
    const servers = {
      full: full(),
      everything: everything(),
      filesystem: filesystem(folder),
      memory: memory(join(folder, 'memory.jsonl')),
    };
    for (const [server, command] of Object.entries(servers)) {
      const least = counts[server] - (server === 'full' && venv === 'venv-1' ? 1 : 0);
      await report.group(`${name}, ${server}`, async (check) => {
        await behindProxy(check, command, async (url) => {
          const said = await drive(venv, [url, server, folder]);
          for (const { check: what, ok, error } of said.checks) {
            await check(what, () => {
              if (!ok) throw new Error(error);
            });
          }
          await check(`all ${least} checks were made`, () => {
            if (said.checks.length !== least) throw new Error(`${said.checks.length} were; it ended with ${said.end}`);
          });
        });
      });
    }
    remove();
  }
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
