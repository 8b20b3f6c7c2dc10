// The configurations of contrib/ in front of the proxy: who has no token is turned away, and who
// has one meets every feature of the server as if there were no front.
import assert from 'node:assert/strict';
import { behindProxy } from '../lib/behind.mjs';
import { clients, oldestClients } from '../lib/clients.mjs';
import { found, Front, presenting, SECRET } from '../lib/fronts.mjs';
import { full } from '../lib/servers.mjs';
import { fullServer } from './full.mjs';
import { modernServer } from './modern.mjs';
import { fullServer as oldestServer, oldestAt } from './oldest.mjs';

const SDK = 'TypeScript SDK v1';
const AT_ONCE_MS = 1000;
const OFF = 'proxy_buffering off;';
const DEAF = 'proxy_ignore_headers X-Accel-Buffering;';

export async function fronts(report) {
  for (const program of ['nginx', 'caddy', 'haproxy']) {
    if (!found(program)) {
      await report.group(`front ${program}`, (check) => check.skip('all', `${program} is not installed`));
      continue;
    }
    await report.group(`front ${program}: session era`, (check) =>
      behind(check, program, 'session', async (url) => {
        await doorkeeping(check, url);
        await promptness(check, url);
        await fullServer(check, clients[SDK], url);
      }),
    );
    await report.group(`front ${program}: HTTP+SSE`, (check) =>
      behind(check, program, 'session', async (url) => {
        await endpoint(check, oldestAt(url));
        await promptness(check, oldestAt(url), oldestClients[SDK]);
        await oldestServer(check, oldestClients[SDK], oldestAt(url));
      }),
    );
    await report.group(`front ${program}: 2026-07-28`, (check) =>
      behind(check, program, 'dual', (url) => modernServer(check, url)),
    );
  }
  if (found('nginx')) await report.group('front nginx: buffering', unbuffered);
}

// The configuration has a line against buffering, and the proxy's responses have a header field.
// Each is enough by itself; without both, the check would notice.
async function unbuffered(check) {
  const withLines = (to, body) => behind(check, 'nginx', 'session', body, { exchanges: [[OFF, to]] });
  await withLines(OFF + DEAF, (url) => promptness(check, url));
  await withLines('proxy_buffering on;', (url) => promptness(check, url));
  await withLines(`proxy_buffering on;${DEAF}`, (url) =>
    check('with neither, progress comes with the end of its call', async () => {
      const ahead = await lead(clients[SDK], url);
      assert.ok(ahead < 600, `the first came ${ahead} ms before the end`);
    }),
  );
}

function behind(check, program, era, body, options) {
  return behindProxy(check, full(era), async (url) => {
    const { host } = new URL(url);
    // Where a configuration has three nodes, all are this one.
    const front = await Front.start(program, [host, host, host], options);
    const done = presenting(SECRET, front.url);
    try {
      await body(front.url);
    } finally {
      done();
      await front.stop();
    }
  });
}

const post = (url, headers, body) =>
  fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }),
  });

async function doorkeeping(check, url) {
  await check('the front has no other path', async () => {
    for (const path of ['/', '/healthz', '/mcp/', '/mcp/x', '/mcp%0a', '/sse/', '/sse/x', '/sse%0a', '/ssex']) {
      assert.equal((await fetch(new URL(path, url))).status, 404, path);
    }
  });
  await check('a preflight needs no token', async () => {
    const asks = { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' };
    for (const path of [url, oldestAt(url)]) {
      const response = await fetch(path, { method: 'OPTIONS', headers: { ...asks, authorization: 'none' } });
      assert.equal(response.status, 204);
      assert.match(response.headers.get('access-control-allow-methods'), /POST/);
    }
  });
  await check("the proxy's refusals come through as they are", async () => {
    const response = await post(url, { 'mcp-session-id': 'unknown' }, { method: 'ping' });
    assert.equal(response.status, 404);
    assert.equal((await response.json()).jsonrpc, '2.0');
  });
}

// The stream begins with the address for messages, and is silent after it until something is sent.
async function endpoint(check, url) {
  await check('the endpoint event comes at once, and the address in it takes messages', async () => {
    const abort = new AbortController();
    const start = performance.now();
    const stream = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: abort.signal });
    const { value } = await stream.body.getReader().read();
    const took = performance.now() - start;
    const [, address] = /^event: endpoint\n(?:id: .*\n)?data: (.*)\n\n/.exec(new TextDecoder().decode(value));
    assert.ok(took < AT_ONCE_MS, `it came after ${took} ms`);
    const early = await post(new URL(address, url), {}, { method: 'ping' });
    assert.equal(early.status, 400);
    assert.match((await early.json()).error.message, /send initialize/);
    abort.abort();
  });
  await check('an origin that is not allowed is refused by the proxy', async () => {
    const headers = { accept: 'text/event-stream', origin: 'https://evil.example' };
    assert.equal((await fetch(url, { headers })).status, 403);
  });
}

async function promptness(check, url, open = clients[SDK]) {
  await check('progress arrives while the call runs, not with its end', async () => {
    const ahead = await lead(open, url);
    assert.ok(ahead > 600, `the first came ${ahead} ms before the end`);
  });
}

// How long before the end of a call of one second its first progress arrives.
async function lead(open, url) {
  const client = await open(url);
  const times = [];
  const onprogress = () => times.push(performance.now());
  await client.text('count_to', { n: 4, wait_ms: 250 }, { onprogress });
  const end = performance.now();
  assert.equal(times.length, 4);
  await (client.sessionId ? client.leave() : client.close());
  return end - times[0];
}
