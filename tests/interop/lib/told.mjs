// The Python SDK's client, driven a call at a time (python/told.py), with the face of the clients
// of clients.mjs.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withTimeout } from './proxy.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const OPEN_MS = 30_000;
const LEAVE_MS = 10_000;

export class Told {
  #waiting = new Map(); // id of a call → { resolve, reject }
  #next = 1;

  // `venv`: the environment with the SDK. `mode`: how it finds the era. `seconds`: how long a call
  // may take.
  static async open(url, rootUri, { venv = 'venv', mode = 'auto', seconds = 30 } = {}) {
    const told = new Told();
    const args = [join(root, 'python', 'told.py'), url, rootUri, mode, String(seconds)];
    const stdio = ['pipe', 'pipe', 'pipe'];
    told.process = spawn(join(root, venv, 'bin', 'python'), args, { stdio });
    let errors = '';
    told.process.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-3000)));
    told.ended = new Promise((resolve) => told.process.once('close', resolve));
    // Its end is told by `ended`.
    told.process.stdin.on('error', () => {});
    told.ended.then((code) => told.#failAll(new Error(`the client ended with ${code}\n${errors}`)));
    const opened = new Promise((resolve, reject) => told.#waiting.set('opened', { resolve, reject }));
    const lines = createInterface({ input: told.process.stdout });
    lines.on('line', (line) => told.#receive(JSON.parse(line)));
    ({ session: told.sessionId, version: told.version } = await withTimeout(opened, OPEN_MS, 'a Python client'));
    return told;
  }

  text(name, args = {}) {
    if (this.process.exitCode !== null) return Promise.reject(new Error('the client has ended'));
    const id = this.#next++;
    this.process.stdin.write(`${JSON.stringify({ id, name, arguments: args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async close() {
    this.process.stdin.end();
    await withTimeout(this.ended, LEAVE_MS, 'a Python client to end').catch(() => this.process.kill('SIGKILL'));
  }

  #receive(message) {
    const id = message.id ?? 'opened';
    const { resolve, reject } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (message.error !== undefined) reject(new Error(message.error));
    else resolve(message.id === undefined ? message : message.text);
  }

  #failAll(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
