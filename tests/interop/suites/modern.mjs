// A client of 2026-07-28 against the full server: no session, questions as rounds of
// `input_required`, changes by `subscriptions/listen`. Behind the proxy the server may
// be of either era, the checks are the same.
import assert from 'node:assert/strict';
import { LOG_LEVEL_META_KEY } from '@modelcontextprotocol/client';
import { behindProxy } from '../lib/behind.mjs';
import { modern, pause, probing } from '../lib/clients.mjs';
import { full } from '../lib/servers.mjs';
import { common, many, opened, until, watched } from './full.mjs';
import { withOwnHttp } from './own.mjs';

const AFFINITY = 'x-client';

export async function modernClients(report) {
  for (const era of ['modern', 'session', 'dual']) {
    await report.group(`TypeScript SDK v2, modern, full server (${era})`, (check) =>
      behindProxy(check, full(era), (url) => modernServer(check, url), { flags: ['--eras', 'both'] }),
    );
  }
  const flags = ['--eras', 'both', '--affinity', AFFINITY];
  await report.group('TypeScript SDK v2, modern, named clients, full server', (check) =>
    behindProxy(check, full('session'), (url) => named(check, url), { flags }),
  );
}

// The same without a proxy, to know that the checks are right.
export const modernBaseline = (report) =>
  withOwnHttp((url) =>
    report.group('TypeScript SDK v2, modern, full server without a proxy', (check) => modernServer(check, url)),
  );

export async function modernServer(check, url) {
  const { client, elicit } = await opened(modern, url);
  // First: of clients that nothing tells apart, only a process's first request gets log messages.
  await reports(check, client);
  await introduced(check, client, url);
  await common(check, client, elicit);
  await listening(check, client);
  await rounds(check, client, elicit, url);
  await crowds(check, client, url);
  await client.close();
  // One that can't be asked: its process goes on.
  const plain = await modern(url, { capabilities: {} });
  await cancelling(check, plain);
  await plain.close();
}

const cancelling = (check, client) =>
  check('a cancelled call is cancelled at the child', async () => {
    const before = Number(await client.text('cancellations'));
    const abort = new AbortController();
    const call = client.call('sleep', { ms: 60_000 }, { signal: abort.signal });
    setTimeout(() => abort.abort('enough'), 150);
    await assert.rejects(call);
    await until(async () => Number(await client.text('cancellations')) === before + 1);
  });

// Clients that a header field names have a process each, though nothing else tells them apart.
async function named(check, url) {
  const by = (name) => {
    const naming = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set(AFFINITY, name);
      return fetch(input, { ...init, headers });
    };
    return modern(url, { fetch: naming });
  };
  const [one, two] = await Promise.all(['one', 'two'].map(by));
  await check('four calls at once of each are in its process', async () => {
    const pids = (client) => Promise.all([1, 2, 3, 4].map(() => client.text('pid')));
    const seen = await Promise.all([pids(one), pids(two)]);
    assert.deepEqual(seen.map((all) => new Set(all).size), [1, 1]);
    assert.notEqual(seen[0][0], seen[1][0]);
  });
  await check('each counts from one', async () => {
    for (let i = 1; i <= 3; i++) {
      for (const client of [one, two]) assert.equal(await client.text('touch'), `version ${i}`);
    }
  });
  await check('log messages of each call', async () => {
    for (const times of [1, 2]) {
      await logging(one, 'info');
      await until(() => one.seen('notifications/message').length === 3 * times);
    }
    assert.equal(two.seen('notifications/message').length, 0);
  });
  await cancelling(check, one);
  await Promise.all([one.close(), two.close()]);
}

// A client that can be asked has a session-era child to itself for each call, and of
// those there are only so many; one that can't shares.
async function crowds(check, client, url) {
  await check('ten calls at once that might ask', async () => {
    const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
    assert.deepEqual(await Promise.all(texts.map((text) => client.text('echo', { text }))), texts);
  });
  const plain = await modern(url, { capabilities: {} });
  await many(check, plain);
  await plain.close();
}

async function introduced(check, client, url) {
  await check('server/discover: name, version, instructions and capabilities of the child', () => {
    assert.equal(client.client.getProtocolEra(), 'modern');
    assert.equal(client.version(), '2026-07-28');
    assert.equal(client.sessionId, undefined);
    assert.deepEqual(client.client.getServerVersion(), { name: 'full', version: '1.0.0' });
    assert.match(client.client.getInstructions(), /every feature once/);
    const capabilities = client.client.getServerCapabilities();
    assert.deepEqual(Object.keys(capabilities).sort(), ['completions', 'logging', 'prompts', 'resources', 'tools']);
  });
  await check('the child sees the client: name, capabilities', async () => {
    const seen = JSON.parse(await client.text('client'));
    assert.equal(seen.clientInfo.name, 'interop');
    assert.deepEqual(Object.keys(seen.capabilities).sort(), ['elicitation', 'roots', 'sampling']);
  });
  await check('arguments that headers mirror', async () => {
    await client.pages('listTools', 'tools');
    assert.equal(await client.text('route_by_region', { region: 'Zürich', shard: 7 }), 'region Zürich, shard 7');
  });
  await check('a client that probes comes to the same era', async () => {
    const { client: probed } = await opened(probing, url);
    assert.equal(probed.client.getProtocolEra(), 'modern');
    assert.equal(await probed.text('echo', { text: 'hi' }), 'hi');
    await probed.close();
  });
}

const logging = ({ client }, level) =>
  client.callTool({
    name: 'test_tool_with_logging',
    arguments: {},
    ...(level ? { _meta: { [LOG_LEVEL_META_KEY]: level } } : {}),
  });

async function reports(check, client) {
  await check('log messages where the request asks for them, and nowhere else', async () => {
    const logged = () => client.seen('notifications/message').length;
    await logging(client, 'info');
    await until(() => logged() === 3);
    await logging(client);
    await logging(client, 'error');
    assert.equal(logged(), 3);
  });
}

async function listening(check, client) {
  const updated = () => client.seen('notifications/resources/updated').length;
  await check('listen, change, updated, close, silence', async () => {
    const filter = { toolsListChanged: true, resourceSubscriptions: [watched] };
    const subscription = await client.client.listen(filter);
    assert.deepEqual(subscription.honoredFilter, filter);
    await client.text('touch');
    await client.notified('notifications/resources/updated', ({ uri }) => uri === watched);
    await client.text('test_trigger_tool_change');
    await client.notified('notifications/tools/list_changed');
    await client.text('test_trigger_prompt_change');
    await subscription.close();
    const before = updated();
    await client.text('touch');
    await pause(200);
    assert.equal(updated(), before);
    assert.equal(client.seen('notifications/prompts/list_changed').length, 0);
  });
}

async function rounds(check, client, elicit, url) {
  await check('progress, then a question, then progress', async () => {
    elicit.next = { action: 'accept', content: { name: 'Ann' } };
    const seen = [];
    const onprogress = ({ progress }) => seen.push(progress);
    assert.equal(await client.text('test_streaming_elicitation', {}, { onprogress }), 'Hello, Ann!');
    assert.equal(seen[0], 1);
    assert.equal(seen.at(-1), 2);
  });
  await check('a prompt that asks', async () => {
    elicit.next = { action: 'accept', content: { context: 'rivers' } };
    const { messages } = await client.client.getPrompt({ name: 'test_input_required_result_prompt' });
    assert.equal(messages[0].content.text, 'Use this context: rivers');
  });
  await check('what the client did not declare is not asked', async () => {
    const plain = await modern(url, { capabilities: {} });
    const said = await plain.call('test_sampling', { prompt: 'say' }).catch((error) => error);
    assert.ok(said.code === -32021 || said.isError === true, JSON.stringify(said));
    await plain.close();
  });
}
