// A page in a real browser: of an origin that is allowed it uses the server in each era, of any
// other it gets nothing and starts nothing. INTEROP_BROWSER names a Chromium.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { descendants, Proxy, withTimeout } from '../lib/proxy.mjs';
import { full } from '../lib/servers.mjs';

const PAGE_MS = 60_000;
const HTML = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';
// Names that the browser takes for this machine: they are no loopback names to the proxy.
const FRIEND = 'app.example';
const STRANGER = 'evil.example';

const FLAGS = [
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--host-resolver-rules=MAP ${FRIEND} 127.0.0.1,MAP ${STRANGER} 127.0.0.1`,
];

export async function browser(report) {
  const program = process.env.INTEROP_BROWSER;
  if (!program) throw new Error('INTEROP_BROWSER names no browser');
  await report.group('a page in Chromium', async (check) => {
    const pages = await Pages.start(program);
    const flags = ['--allow-origin', pages.origin(FRIEND), '--metrics', '/metrics', '--eras', 'both'];
    const proxy = await Proxy.start(full('session'), { flags });
    try {
      await stranger(check, pages, proxy);
      await friends(check, pages, proxy);
    } finally {
      pages.stop();
      await check('SIGTERM ends the proxy with status 0', async () => assert.equal(await proxy.stop(), null), 45_000);
    }
  });
}

async function stranger(check, pages, proxy) {
  await check('of an origin that is not allowed: it gets nothing and starts nothing', async () => {
    const seen = await pages.visit(STRANGER, 'stranger', proxy.url);
    assert.deepEqual(seen, {
      sdk: 'TypeError',
      preflighted: 'TypeError',
      plain: 'TypeError',
      opaque: 'opaque', // It may be sent; the page can't read what came back.
      rebound: 'opaque',
      read: 'TypeError',
      streamed: 'error',
    });
    assert.deepEqual(descendants(proxy.process.pid), []);
    const metrics = await (await fetch(new URL('/metrics', proxy.url))).text();
    assert.match(metrics, /^mcp_proxy_sessions_opened_total\{server="[^"]*"\} 0$/m);
    assert.match(metrics, /^mcp_proxy_children\{server="[^"]*"\} 0$/m);
    // Each of its seven attempts came to the proxy.
    const counts = metrics.matchAll(/^mcp_proxy_refused_total\{status="403",[^}]*\} (\d+)$/gm);
    const refused = [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    assert.ok(refused >= 7, `${refused} were refused`);
    assert.doesNotMatch(metrics, /refused_total\{status="(?!403)[^}]*\} [1-9]/);
  }, PAGE_MS);
}

async function friends(check, pages, proxy) {
  for (const host of [FRIEND, 'localhost']) {
    for (const task of ['v1', 'session', 'modern']) {
      await check(`of ${host}: ${task}`, async () => {
        const { tools, session, ...seen } = await pages.visit(host, task, proxy.url);
        assert.ok(tools > 10);
        assert.equal(session, task === 'modern' ? 'undefined' : 'string');
        assert.deepEqual(seen, {
          progress: 3,
          echo: 'hello',
          counted: 'counted to 3',
          asked: 'Hello, Ann!',
          routed: 'region north, shard 7',
        });
      }, PAGE_MS);
    }
  }
}

// Serves the page under any name, opens it in a browser of its own and gives what it told.
class Pages {
  static async start(program) {
    const pages = new Pages();
    pages.program = program;
    const entry = fileURLToPath(new URL('../browser/page.mjs', import.meta.url));
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      logLevel: 'error',
    });
    const script = outputFiles[0].text;
    pages.server = createServer((request, response) => {
      if (request.url === '/page.js') return response.setHeader('content-type', 'text/javascript').end(script);
      if (request.url !== '/done') return response.setHeader('content-type', 'text/html').end(HTML);
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        response.end();
        pages.done(JSON.parse(body));
      });
    });
    await new Promise((resolve) => pages.server.listen(0, '127.0.0.1', resolve));
    return pages;
  }

  origin(host) {
    return `http://${host}:${this.server.address().port}`;
  }

  async visit(host, task, url) {
    const told = new Promise((resolve) => {
      this.done = resolve;
    });
    const folder = mkdtempSync(join(tmpdir(), 'browser-'));
    // A root user's Chromium has no sandbox.
    const own = [`--user-data-dir=${folder}`, ...(process.getuid() === 0 ? ['--no-sandbox'] : [])];
    const address = `${this.origin(host)}/?${new URLSearchParams({ task, url })}`;
    // A group of its own, so that all its processes end with it.
    const child = spawn(this.program, [...FLAGS, ...own, address], { stdio: 'ignore', detached: true });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const failed = ended.then((code) => Promise.reject(new Error(`the browser ended with ${code}`)));
    try {
      const { value, error } = await withTimeout(Promise.race([told, failed]), PAGE_MS - 5000, 'the page');
      if (error) throw new Error(`in the page: ${error}`);
      return value;
    } finally {
      failed.catch(() => {});
      if (child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
