// A crowd of real clients, the processes behind their proxy, and what can happen to both.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clients, pause, probing } from './clients.mjs';
import { descendants, Proxy, withTimeout } from './proxy.mjs';
import { full } from './servers.mjs';
import { Told } from './told.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
// How long a client waits for an answer that never comes: its own limit, far below a minute.
const CALL_S = 6;
const OPEN_MS = 60_000;
const CELL_MS = 15_000;
const GONE_MS = 15_000;

// With the reconnection that the SDK has by default.
const typescript = (open) => (url) => open(url, { capabilities: {}, reconnect: null });
const python = (venv, mode) => (url) => Told.open(url, 'file:///', { venv, mode, seconds: CALL_S });

// Each with the server that it meets: one that speaks revisions with sessions, as most do, or one
// that speaks 2026-07-28 too.
export const kinds = {
  'TS 1': { era: 'session', open: typescript(clients['TypeScript SDK v1']) },
  'TS 2': { era: 'session', open: typescript(clients['TypeScript SDK v2']) },
  'TS 2 auto': { era: 'session', open: typescript(probing) },
  'Py 1': { era: 'session', open: python('venv-1', 'legacy') },
  'Py 2': { era: 'session', open: python('venv', 'legacy') },
  'Py 2 auto': { era: 'session', open: python('venv', 'auto') },
  fastmcp: { era: 'session', open: python('venv-fastmcp', 'auto'), needs: 'venv-fastmcp' },
  'TS 2 modern': { era: 'dual', open: typescript(probing) },
  'Py 2 modern': { era: 'dual', open: python('venv', 'auto') },
};

export const isHere = ({ needs }) => needs === undefined || existsSync(join(root, needs, 'bin', 'python'));

// The proxy before a server of each era, which can be ended and started again at the same port.
export class World {
  static async start({ flags = [], refusesGet = false }) {
    const world = new World();
    world.folder = mkdtempSync(join(tmpdir(), 'outlive-'));
    const entry = ([command, ...args]) => ({ command, args });
    const mcpServers = { session: entry(full('session')), dual: entry(full('dual')) };
    const file = join(world.folder, 'servers.json');
    writeFileSync(file, JSON.stringify({ mcpServers }));
    const sessions = join(world.folder, 'sessions');
    world.flags = ['--config', file, '--drain-timeout', '1', '--sessions', sessions, ...flags];
    await world.up();
    world.port = new URL(world.proxy.url).port;
    if (refusesGet) world.front = await withoutGet(world.port);
    return world;
  }

  async up() {
    this.proxy = await Proxy.start([], { flags: this.flags, port: this.port });
  }

  async down(signal) {
    this.proxy.process.kill(signal);
    await withTimeout(this.proxy.ended, GONE_MS, `the proxy to end by ${signal}`);
  }

  url(era) {
    return `http://127.0.0.1:${this.front?.address().port ?? this.port}/${era}/mcp`;
  }

  // Waits until no process of a server is left.
  async childless() {
    for (const end = Date.now() + GONE_MS; Date.now() < end; await pause(50)) {
      if (descendants(this.proxy.process.pid).length === 0) return;
    }
    throw new Error('the processes of the servers did not end');
  }

  async close() {
    this.front?.closeAllConnections();
    this.front?.close();
    const problem = await this.proxy.stop();
    rmSync(this.folder, { recursive: true, force: true });
    if (problem) throw new Error(problem);
  }
}

// A front that passes everything on but GET, which it answers as a server does that has no such
// stream.
async function withoutGet(port) {
  const front = createServer((from, to) => {
    if (from.method === 'GET') return to.writeHead(405, { allow: 'POST, DELETE' }).end();
    const { method, url: path, headers } = from;
    const onward = request({ host: '127.0.0.1', port, method, path, headers }, (reply) => {
      to.writeHead(reply.statusCode, reply.headers);
      reply.pipe(to);
    });
    onward.on('error', () => to.destroy());
    to.on('close', () => onward.destroy());
    from.pipe(onward);
  });
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
  return front;
}

// All clients that are installed, each with the process that has answered its first call.
export async function crowd(world) {
  const opened = Object.entries(kinds).filter(([, kind]) => isHere(kind)).map(async ([name, kind]) => {
    const client = await withTimeout(kind.open(world.url(kind.era)), OPEN_MS, `${name} to connect`);
    return { name, client, pid: Number(await client.text('pid')) };
  });
  return Promise.all(opened);
}

export const call = ({ client }, tool = 'pid', args = {}) =>
  withTimeout(client.text(tool, args, { timeout: CALL_S * 1000 }), CELL_MS, 'an answer');

// A call of each that is in its process when this ends, and what becomes of it.
export async function callsInFlight(members) {
  const calls = members.map((one) => call(one, 'sleep', { ms: 60_000 }).then(
    (text) => ({ text }),
    (error) => ({ error: brief(error) }),
  ));
  await pause(1500);
  return calls;
}

// Ends the processes of the servers as a crash does.
export async function crash(members) {
  const victims = [...new Set(members.map(({ pid }) => pid))];
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  // The proxy has taken note when it has reaped them: a call before that would be lost with them.
  const isThere = (pid) => existsSync(`/proc/${pid}`);
  for (const end = Date.now() + GONE_MS; Date.now() < end && victims.some(isThere); ) await pause(20);
}

// What the next call comes to: nothing if another process answers it, or the error.
export async function next(member) {
  try {
    const pid = Number(await call(member));
    return pid === member.pid ? 'the same process answered' : undefined;
  } catch (error) {
    return brief(error);
  }
}

// An error in a line.
export const brief = (error) => {
  const lines = String(error?.message ?? error).trim().split('\n');
  const line = lines.length > 3 ? `${lines[0]} … ${lines.at(-1)}` : lines.join(' ');
  return (error?.cause ? `${line} (${error.cause.message ?? error.cause})` : line).slice(0, 300);
};
