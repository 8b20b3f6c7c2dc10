// The full server over HTTP of its own: what no proxy can do better.
import { spawn } from 'node:child_process';
import { ownHttp } from '../lib/servers.mjs';

export async function withOwnHttp(body) {
  const server = spawn(ownHttp[0], ownHttp.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const url = await new Promise((resolve, reject) => {
      server.stdout.once('data', (line) => resolve(String(line).trim()));
      server.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    });
    await body(url);
  } finally {
    server.kill('SIGTERM');
  }
}
