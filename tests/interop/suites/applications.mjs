// Clients of applications that have met what the SDKs do not: each fault that they met is a check.
import assert from 'node:assert/strict';
import { createMCPClient } from '@ai-sdk/mcp';
import { createMCPClient as createMCPClientV1 } from 'ai-sdk-mcp-1';
import { Client } from 'mcp-sdk-1.23/client/index.js';
import { StreamableHTTPClientTransport } from 'mcp-sdk-1.23/client/streamableHttp.js';
import { behindProxy } from '../lib/behind.mjs';
import { clients, pause } from '../lib/clients.mjs';
import { full } from '../lib/servers.mjs';

const IDLE_MS = 10_000;

export async function applications(report) {
  for (const [name, create] of [['1.0.46', createMCPClientV1], ['2', createMCPClient]]) {
    await report.group(`@ai-sdk/mcp ${name}, full server`, (check) =>
      behindProxy(check, full(), (url) => aiSdk(check, url, create)),
    );
  }
  await report.group('TypeScript SDK 1.23.0, full server', (check) =>
    behindProxy(check, full(), (url) => reconnecting(check, url)),
  );
  await report.group('opencode, as recorded, full server', (check) =>
    behindProxy(check, full(), (url) => reopening(check, url)),
  );
}

// Version 1.0.46 drops events without a name, so that an answer in a stream never comes; each
// tries GET before it has a session.
async function aiSdk(check, url, create) {
  const uncaught = [];
  const client = await create({
    transport: { type: 'http', url },
    onUncaughtError: (error) => uncaught.push(String(error?.message ?? error)),
  });
  const tools = await client.tools();
  const run = async (name, args) => {
    const { content } = await tools[name].execute(args, { messages: [], toolCallId: 'one' });
    return content.map(({ text }) => text).join('\n');
  };
  await check('tools are listed and called', async () => {
    assert.ok(Object.keys(tools).length > 10);
    assert.equal(await run('echo', { text: 'hi' }), 'hi');
  });
  await check('an answer that comes as an event', async () => {
    assert.equal(await run('count_to', { n: 3, wait_ms: 500 }), 'counted to 3');
    assert.equal(await run('sleep', { ms: 2000 }), 'slept 2000 ms');
  });
  await check('calls at once', async () => {
    const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
    assert.deepEqual(await Promise.all(texts.map((text) => run('echo', { text }))), texts);
  });
  await client.close();
  await check('no request of its own was refused', () => {
    // That the event which opens a stream is empty is what it reports besides, and goes on.
    assert.deepEqual(uncaught.filter((error) => !/parse/i.test(error)), []);
  });
}

// Version 1.23.0, as in gemini-cli, resumes each stream that ends, the one of an answered call too.
async function reconnecting(check, url) {
  const { fetch: counting, asked } = counted();
  const client = new Client({ name: 'interop', version: '1.2.3' });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: counting }));
  const call = () =>
    client.callTool({ name: 'count_to', arguments: { n: 5, wait_ms: 120 } }, undefined, { onprogress: () => {} });
  await check('five slow calls, then a session at rest asks for no stream again and again', async () => {
    for (let i = 0; i < 5; i++) assert.equal((await call()).content[0].text, 'counted to 5');
    const before = asked.length;
    await pause(IDLE_MS);
    const idle = asked.length - before;
    assert.ok(idle <= 4, `${idle} GETs in ${IDLE_MS / 1000} s, after ${JSON.stringify(asked.slice(0, 20))}`);
  }, IDLE_MS + 20_000);
  await check('its standing stream is there', async () => {
    const changed = new Promise((resolve) => {
      client.fallbackNotificationHandler = async ({ method }) => resolve(method);
    });
    await client.callTool({ name: 'test_trigger_tool_change', arguments: {} });
    assert.equal(await changed, 'notifications/tools/list_changed');
  });
  await client.close();
}

// opencode opens a new session on the transport of one that is lost, whose loop goes on: it
// resumes the old session's stream in the new one.
async function reopening(check, url) {
  const open = clients['TypeScript SDK v1'];
  const { fetch: counting, asked } = counted();
  let [last, client] = [];
  await check('a session with an event, lost, and the next', async () => {
    const lost = await open(url);
    const options = { onprogress: () => {}, onresumptiontoken: (id) => (last = id) };
    await lost.text('count_to', { n: 2 }, options);
    await lost.leave();
    client = await open(url, { fetch: counting });
  });
  await check("the lost session's event is refused in the next", async () => {
    const headers = { accept: 'text/event-stream', 'mcp-session-id': client.sessionId, 'last-event-id': last };
    const response = await fetch(url, { headers });
    assert.equal(response.status, 400);
    assert.match((await response.json()).error.message, /event/i);
  });
  await check('whose standing stream goes on', async () => {
    await pause(2000);
    assert.deepEqual(asked, [null]);
  });
  await client.leave();
}

// A fetch, and the event that each GET asked to go on from.
function counted() {
  const asked = [];
  const counting = (input, init) => {
    if ((init?.method ?? 'GET') === 'GET') asked.push(new Headers(init?.headers).get('last-event-id'));
    return fetch(input, init);
  };
  return { fetch: counting, asked };
}
