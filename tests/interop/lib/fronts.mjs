// Starts a front server with the configuration that contrib/ ships: only addresses and the names
// of files are exchanged, and each exchange must find its place. Ends it by its process id.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pause } from './clients.mjs';
import { withTimeout } from './proxy.mjs';

const READY_MS = 10_000;

// The folder contrib/, and one with front.crt, front.key and both in front.pem.
const contrib = () => process.env.INTEROP_CONTRIB;
const certificate = (ending) => join(process.env.INTEROP_CERTIFICATE, `front.${ending}`);

export function found(program) {
  const folders = [...process.env.PATH.split(':'), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  for (const file of folders.map((folder) => join(folder, program))) {
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const read = (name) => readFileSync(join(contrib(), name), 'utf8');

function shipped(name, exchanges, whole = read(name)) {
  let text = whole;
  for (const [from, to] of exchanges) {
    const next = text.replaceAll(from, to);
    if (next === text) throw new Error(`contrib/${name} has no ${from}`);
    text = next;
  }
  return text;
}

// Who is known to each front: the secret, and the name. The first is the only one of Caddy; the
// second is as long as those of `openssl rand -hex 64`.
export const SECRET = 'Open-Sesame_0123456789';
export const LONG_SECRET = '0123456789abcdef'.repeat(8);
export const TOKENS = { [SECRET]: 'ann', [LONG_SECRET]: 'long' };
for (let i = 1; i <= 12; i++) TOKENS[`secret-${i}`] = `user-${i}`;

const fronts = {
  nginx: (folder, port, [upstream], { tokens, line, exchanges }) => {
    const lines = Object.entries(tokens).map(line ?? (([token, name]) => `"~^${token}$" ${name};\n`));
    writeFileSync(join(folder, 'tokens.map'), lines.join(''));
    const front = shipped('nginx/hyper-mcp-proxy.conf', [
      ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
      ['server 127.0.0.1:8080;', `server ${upstream};`],
      ['/etc/nginx/mcp-tokens.map', join(folder, 'tokens.map')],
      ['/etc/nginx/mcp.example.com.crt', certificate('crt')],
      ['/etc/nginx/mcp.example.com.key', certificate('key')],
      ...exchanges,
    ]);
    writeFileSync(join(folder, 'front.conf'), front);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, `
      ${process.getuid() === 0 ? 'user root;' : ''}
      worker_processes 1;
      pid ${folder}/nginx.pid;
      events {}
      http {
        access_log off;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
        include ${folder}/front.conf;
      }`);
    const args = ['-p', folder, '-c', file, '-e', 'stderr'];
    return { test: [...args, '-t'], run: [...args, '-g', 'daemon off;'] };
  },
  caddy: (folder, port, [upstream]) => {
    const file = join(folder, 'Caddyfile');
    const site = `https://localhost:${port} {\n\ttls ${certificate('crt')} ${certificate('key')}`;
    const front = shipped('caddy/Caddyfile', [
      ['mcp.example.com {', site],
      ['127.0.0.1:8080', upstream],
    ]);
    writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${front}`);
    const args = ['--config', file, '--adapter', 'caddyfile'];
    return { test: ['validate', ...args], run: ['run', ...args] };
  },
  haproxy: (folder, port, nodes, { tokens, named }) => {
    const lines = Object.entries(tokens).map(([token, name]) => `${token} ${name}\n`);
    writeFileSync(join(folder, 'tokens.map'), lines.join(''));
    const file = join(folder, 'haproxy.cfg');
    const learning = read('haproxy/haproxy.cfg');
    const [frontend] = learning.split(/^backend /m);
    const whole = named ? frontend + read('haproxy/by-name.cfg') : learning;
    const exchanges = [
      ['maxconn 20000', 'maxconn 200'], // The test's own limit of open files may be low.
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['/etc/haproxy/mcp-tokens.map', join(folder, 'tokens.map')],
      ['/etc/haproxy/mcp.example.com.pem', certificate('pem')],
      ...nodes.map((address, i) => [`10.0.0.${i + 1}:8080`, address]),
    ];
    writeFileSync(file, shipped('haproxy/haproxy.cfg', exchanges, whole));
    return { test: ['-c', '-f', file], run: ['-db', '-f', file] };
  },
};

export class Front {
  // `upstreams`: host and port of each proxy behind it. `tokens`: who is known to it; `line`: how
  // nginx is told of one; `exchanges`: further ones of nginx; `secret`: Caddy's MCP_TOKEN, null for
  // none; `named`: HAProxy's nodes have names.
  static async start(program, upstreams, options = {}) {
    const { tokens = TOKENS, line, exchanges = [], secret = SECRET, named = false } = options;
    const front = new Front();
    front.secret = secret;
    front.log = [];
    front.folder = mkdtempSync(join(tmpdir(), 'front-'));
    try {
      const port = await freePort();
      const { test, run } = fronts[program](front.folder, port, upstreams, { tokens, line, exchanges, named });
      await front.#judged(program, test);
      front.process = front.#spawn(program, run);
      front.ended = new Promise((resolve) => front.process.once('exit', resolve));
      front.url = `https://localhost:${port}/mcp`;
      await front.#listening(port);
    } catch (error) {
      front.#clean();
      throw error;
    }
    return front;
  }

  #spawn(program, args) {
    const env = { ...process.env, HOME: this.folder, XDG_DATA_HOME: this.folder };
    if (this.secret !== null) env.MCP_TOKEN = this.secret;
    const child = spawn(found(program), args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => this.log.push(String(chunk)));
    }
    return child;
  }

  // The program's own judgement of its configuration; a warning counts.
  async #judged(program, args) {
    const child = this.#spawn(program, args);
    const status = await withTimeout(new Promise((resolve) => child.once('close', resolve)), READY_MS, 'a judgement');
    const said = this.log.splice(0).join('');
    // Caddy warns of what the test changed.
    const warned = program !== 'caddy' && /warn|alert/i.test(said);
    if (status !== 0 || warned) throw new Error(`${program} ${args.join(' ')}: ${status}\n${said}`);
  }

  async #listening(port) {
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(20)) {
      if (this.process.exitCode !== null) break;
      const open = await new Promise((resolve) => {
        const socket = createConnection(port, '127.0.0.1', () => resolve(true));
        socket.once('error', () => resolve(false)).once('connect', () => socket.destroy());
      });
      if (open) return;
    }
    this.process.kill('SIGKILL');
    throw new Error(`the front does not listen:\n${this.log.join('')}`);
  }

  async stop() {
    this.process.kill('SIGTERM');
    await withTimeout(this.ended, READY_MS, 'the front to end').catch(() => this.process.kill('SIGKILL'));
    this.#clean();
  }

  #clean() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// A fetch of somebody with that token.
export const bearing = (token) => (input, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set('authorization', `Bearer ${token}`);
  return fetch(input, { ...init, headers });
};

// All requests to that origin carry the token from now on, whoever makes them; gives a function
// that ends this.
export function presenting(token, url) {
  const real = globalThis.fetch;
  const { origin } = new URL(url);
  globalThis.fetch = (input, init = {}) => {
    if (new URL(String(input)).origin !== origin) return real(input, init);
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    return real(input, { ...init, headers });
  };
  return () => {
    globalThis.fetch = real;
  };
}
