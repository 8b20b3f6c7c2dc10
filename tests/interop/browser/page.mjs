// What runs in the page: one task, named by the page's address, and its outcome, told to the
// page's own server.
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';

const IDENTITY = { name: 'page', version: '1' };
const CAPABILITIES = { capabilities: { elicitation: {} } };
const accept = async () => ({ action: 'accept', content: { name: 'Ann' } });

const connected = async (client, transport) => {
  await client.connect(transport);
  return { client, transport };
};

const tasks = {
  async v1(url) {
    const client = new ClientV1(IDENTITY, CAPABILITIES);
    client.setRequestHandler(ElicitRequestSchema, accept);
    const call = (name, args, options) => client.callTool({ name, arguments: args }, undefined, options);
    return used(await connected(client, new TransportV1(new URL(url))), call);
  },
  session: (url) => v2(url, 'legacy'),
  modern: (url) => v2(url, { pin: '2026-07-28' }),
  stranger,
};

async function v2(url, mode) {
  const client = new ClientV2(IDENTITY, { ...CAPABILITIES, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', accept);
  const call = (name, args, options) => client.callTool({ name, arguments: args }, options);
  return used(await connected(client, new TransportV2(new URL(url))), call);
}

const text = ({ content }) => content[0].text;

// A quick answer, a stream, a question of the server, headers of a tool's own, the end.
async function used({ client, transport }, call) {
  const seen = { tools: (await client.listTools()).tools.length, progress: 0 };
  seen.echo = text(await call('echo', { text: 'hello' }));
  const onprogress = () => (seen.progress += 1);
  seen.counted = text(await call('count_to', { n: 3, wait_ms: 100 }, { onprogress }));
  seen.asked = text(await call('test_input_required_result_elicitation', {}));
  seen.routed = await routed(call, client);
  seen.session = typeof transport.sessionId;
  await transport.terminateSession?.();
  await client.close();
  return seen;
}

// In 2026-07-28 the head repeats these arguments. The SDK leaves that out in a browser, because a
// server may not allow such fields in its preflight; the revision has the call refused then. Who
// sends them is served.
async function routed(call, client) {
  const params = { name: 'route_by_region', arguments: { region: 'north', shard: 7 } };
  const result = await call(params.name, params.arguments).catch((error) => error);
  if (client.getProtocolEra?.() !== 'modern') return text(result);
  if (!/Mcp-Param-region header is missing/.test(result.message)) throw result;
  const prefix = 'io.modelcontextprotocol/';
  const _meta = { [`${prefix}protocolVersion`]: '2026-07-28', [`${prefix}clientCapabilities`]: {} };
  const response = await fetch(new URLSearchParams(location.search).get('url'), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': params.name,
      'mcp-param-region': 'north',
      'mcp-param-shard': '7',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta } }),
  });
  return text((await response.json()).result);
}

// All that a page of a foreign origin can try; nothing of it may come to anything.
async function stranger(url) {
  const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: IDENTITY };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello });
  const post = { method: 'POST', body };
  const json = { 'content-type': 'application/json' };
  const rebound = new URL(url);
  rebound.hostname = location.hostname;
  const outcome = async (promise) => promise.then((response) => response.type, (error) => error.name);
  const events = new EventSource(url);
  const streamed = new Promise((resolve) => {
    events.onopen = () => resolve('open');
    events.onerror = () => resolve('error');
  });
  const seen = {
    sdk: await tasks.v1(url).then(() => 'connected', (error) => error.name),
    preflighted: await outcome(fetch(url, { ...post, headers: json })),
    plain: await outcome(fetch(url, post)),
    opaque: await outcome(fetch(url, { ...post, mode: 'no-cors' })),
    rebound: await outcome(fetch(rebound, { ...post, mode: 'no-cors' })),
    read: await outcome(fetch(url)),
    streamed: await streamed,
  };
  events.close();
  return seen;
}

const { task, url } = Object.fromEntries(new URLSearchParams(location.search));
const outcome = await tasks[task](url).then(
  (value) => ({ value }),
  (error) => ({ error: String(error?.stack ?? error) }),
);
await fetch('/done', { method: 'POST', body: JSON.stringify(outcome) });
