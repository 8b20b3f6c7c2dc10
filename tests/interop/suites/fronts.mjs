// The configurations of contrib/ in front of the proxy: who has no token is turned away, and who
// has one meets every feature of the server as if there were no front.
import assert from 'node:assert/strict';
import { behindProxy } from '../lib/behind.mjs';
import { clients } from '../lib/clients.mjs';
import { found, Front, presenting, SECRET } from '../lib/fronts.mjs';
import { full } from '../lib/servers.mjs';
import { fullServer } from './full.mjs';
import { modernServer } from './modern.mjs';

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
        await fullServer(check, clients['TypeScript SDK v1'], url);
      }),
    );
    await report.group(`front ${program}: 2026-07-28`, (check) =>
      behind(check, program, 'dual', (url) => modernServer(check, url)),
    );
  }
}

function behind(check, program, era, body) {
  return behindProxy(check, full(era), async (url) => {
    const { host } = new URL(url);
    // Where a configuration has three nodes, all are this one.
    const front = await Front.start(program, [host, host, host]);
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
    for (const path of ['/', '/healthz', '/mcp/', '/mcp/x']) {
      assert.equal((await fetch(new URL(path, url))).status, 404, path);
    }
  });
  await check('a preflight needs no token', async () => {
    const asks = { origin: 'http://localhost:5173', 'access-control-request-method': 'POST' };
    const response = await fetch(url, { method: 'OPTIONS', headers: { ...asks, authorization: 'none' } });
    assert.equal(response.status, 204);
    assert.match(response.headers.get('access-control-allow-methods'), /POST/);
  });
  await check("the proxy's refusals come through as they are", async () => {
    const response = await post(url, { 'mcp-session-id': 'unknown' }, { method: 'ping' });
    assert.equal(response.status, 404);
    assert.equal((await response.json()).jsonrpc, '2.0');
  });
}

async function promptness(check, url) {
  await check('progress arrives while the call runs, not with its end', async () => {
    const client = await clients['TypeScript SDK v1'](url);
    const times = [];
    const onprogress = () => times.push(performance.now());
    await client.text('count_to', { n: 4, wait_ms: 250 }, { onprogress });
    const end = performance.now();
    assert.equal(times.length, 4);
    assert.ok(end - times[0] > 600, `the first came ${end - times[0]} ms before the end`);
    await client.leave();
  });
}
