// Starts the proxy in front of one stdio server and ends it by its process id.
// Its own promises are part of every suite: the ready line names the URL, SIGTERM
// ends it with status 0, and no process that it started is left.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

const READY_MS = 20_000;
const STOP_MS = 20_000; // above the proxy's own drain and ladder
const GONE_MS = 2_000;
const LOG_LINES = 40;

export class Proxy {
  // `example`: a program of examples/ in the proxy's place, called with a port and the command.
  // `within`: a command that becomes the one after it, as `env` does. Without a command, the flags
  // name a file of servers.
  static async start(command, { flags = [], env = {}, example, within = [], port = process.env.INTEROP_PORT ?? '0' } = {}) {
    const proxy = new Proxy();
    const binary = example ?? process.env.INTEROP_PROXY;
    if (!binary) throw new Error('INTEROP_PROXY does not name the proxy to test');
    const served = command.length > 0 ? ['--', ...command] : [];
    const args = example ? [port, ...command] : ['--port', port, ...flags, ...served];
    const [program, ...all] = [...within, binary, ...args];
    proxy.process = spawn(program, all, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, RUST_LOG: 'info', ...env },
    });
    proxy.ended = new Promise((resolve) => {
      proxy.process.on('exit', (code, signal) => resolve({ code, signal }));
      proxy.process.on('error', (error) => resolve({ error }));
    });
    proxy.log = [];
    proxy.url = await proxy.#ready();
    return proxy;
  }

  async #ready() {
    let rest = '';
    let found;
    const url = new Promise((resolve) => {
      found = resolve;
    });
    this.process.stderr.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        this.log.push(line);
        const match = /https?:\/\/[^\s"'\u001b]+/.exec(line);
        if (match) found(match[0]);
      }
      this.log.splice(0, this.log.length - LOG_LINES);
    });
    const failed = this.ended.then((end) => {
      throw new Error(`the proxy ended before it was ready: ${JSON.stringify(end)}\n${this.log.join('\n')}`);
    });
    return withTimeout(Promise.race([url, failed]), READY_MS, 'the ready line of the proxy').catch((error) => {
      this.process.kill('SIGKILL');
      throw error;
    });
  }

  // Ends the proxy and says what is wrong with how it ended, if anything.
  async stop() {
    const started = descendants(this.process.pid);
    this.process.kill('SIGTERM');
    const end = await withTimeout(this.ended, STOP_MS, 'the proxy to end').catch(() => null);
    if (!end) {
      this.process.kill('SIGKILL');
      return `it was still there ${STOP_MS / 1000} s after SIGTERM`;
    }
    if (end.code !== 0) return `SIGTERM ended it with ${JSON.stringify(end)}`;
    // One that got SIGKILL may need a moment on a busy machine to be gone.
    const isThere = ({ pid, start }) => startOf(pid) === start;
    const until = performance.now() + GONE_MS;
    while (started.some(isThere) && performance.now() < until) await pause(50);
    const left = started.filter(isThere);
    if (left.length > 0) return `it left processes behind: ${left.map(({ pid }) => pid).join(' ')}`;
    return null;
  }
}

export function withTimeout(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// What is below a process, where /proc tells (Linux). A process is its id together
// with its start, as ids are used again.
export function descendants(root) {
  const parents = new Map();
  let names = [];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  for (const name of names) parents.set(Number(name), stat(name)?.parent);
  const found = [];
  for (let wave = [root]; wave.length > 0; ) {
    wave = [...parents].filter(([, parent]) => wave.includes(parent)).map(([pid]) => pid);
    // One that ends meanwhile has no start any more, and would be taken for there ever after.
    found.push(...wave.map((pid) => ({ pid, start: startOf(pid) })).filter(({ start }) => start));
  }
  return found;
}

export const startOf = (pid) => stat(pid)?.start;

function stat(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // It has ended, and waits for the first process of the system to take note.
    if (fields[0] === 'Z') return undefined;
    return { parent: Number(fields[1]), start: fields[19] };
  } catch {
    return undefined;
  }
}
