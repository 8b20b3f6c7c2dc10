// The TypeScript SDK's clients under one face, so that each check is written once.
// The face only renames: what is asked and what is answered is the SDK's.
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2, SSEClientTransport as SseV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';

const IDENTITY = { name: 'interop', version: '1.2.3' };
const FAST = {
  initialReconnectionDelay: 50,
  maxReconnectionDelay: 500,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 5,
};

export const CAPABILITIES = { sampling: {}, elicitation: {}, roots: { listChanged: true } };

class Face {
  notifications = [];
  errors = [];

  // `answers`: what to say to a request of the server, by its method.
  constructor(client, transport) {
    this.client = client;
    this.transport = transport;
    client.fallbackNotificationHandler = async (notification) => {
      this.notifications.push(notification);
    };
    client.onerror = (error) => this.errors.push(error);
  }

  get sessionId() {
    return this.transport.sessionId;
  }

  text = async (name, args, options) => {
    const result = await this.call(name, args, options);
    return result.content.map((block) => block.text ?? '').join('\n');
  };

  seen = (method) => this.notifications.filter((one) => one.method === method).map((one) => one.params);

  // Waits until a notification is there that the predicate likes.
  async notified(method, like = () => true, ms = 5000) {
    for (const end = Date.now() + ms; Date.now() < end; await pause(10)) {
      const found = this.notifications.find((one) => one.method === method && like(one.params));
      if (found) return found.params;
    }
    throw new Error(`no ${method} within ${ms} ms; there were ${JSON.stringify(this.notifications)}`);
  }

  async close() {
    await this.client.close();
  }

  // Ends the session as a client should, then the client.
  async leave() {
    await this.transport.terminateSession();
    await this.client.close();
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class FaceV1 extends Face {
  call = (name, args = {}, options) => this.client.callTool({ name, arguments: args }, undefined, options);
  request = (method, params, schema, options) => this.client.request({ method, params }, schema, options);
  version = () => this.transport.protocolVersion;

  async pages(method, key) {
    const found = [];
    for (let cursor, i = 0; i < 10; i++) {
      const page = await this.client[method](cursor === undefined ? {} : { cursor });
      found.push(...page[key]);
      cursor = page.nextCursor;
      if (cursor === undefined) return found;
    }
    throw new Error(`${method} has no end`);
  }

  answer(answers) {
    const schemas = {
      'sampling/createMessage': CreateMessageRequestSchema,
      'elicitation/create': ElicitRequestSchema,
      'roots/list': ListRootsRequestSchema,
    };
    for (const [method, reply] of Object.entries(answers)) {
      this.client.setRequestHandler(schemas[method], async (request) => reply(request.params));
    }
  }
}

class FaceV2 extends Face {
  call = (name, args = {}, options) => this.client.callTool({ name, arguments: args }, options);
  version = () => this.client.getNegotiatedProtocolVersion();
  // The client reads all pages by itself.
  pages = async (method, key) => (await this.client[method]())[key];

  answer(answers) {
    for (const [method, reply] of Object.entries(answers)) {
      this.client.setRequestHandler(method, async (request) => reply(request.params));
    }
  }
}

// Each opens a client: `target` is a URL or, to try a server without a proxy, a
// command. `options`: capabilities, answers, fetch, reconnect (null: as the SDK does), sse (the
// transport of 2024-11-05).
async function open(kind, target, { capabilities = CAPABILITIES, answers = {}, fetch, reconnect = FAST, sse = false, ...more } = {}) {
  const remote = typeof target === 'string';
  const [Client, Http, Sse, Stdio, Wrapped] =
    kind === 'v1' ? [ClientV1, TransportV1, SseV1, StdioV1, FaceV1] : [ClientV2, TransportV2, SseV2, StdioV2, FaceV2];
  const Transport = sse ? Sse : Http;
  const transport = remote
    ? new Transport(new URL(target), { ...(reconnect ? { reconnectionOptions: reconnect } : {}), ...(fetch ? { fetch } : {}) })
    : new Stdio({ command: target[0], args: target.slice(1) });
  const client = new Client(IDENTITY, { capabilities, ...more });
  const face = new Wrapped(client, transport);
  face.answer(answers);
  await client.connect(transport, { timeout: 15_000 });
  return face;
}

const v2 = (mode) => (target, options) => open('v2', target, { versionNegotiation: { mode }, ...options });

// In the session era, whatever the server speaks.
export const clients = {
  'TypeScript SDK v1': (target, options) => open('v1', target, options),
  'TypeScript SDK v2': v2('legacy'),
};
// The same over HTTP+SSE of 2024-11-05.
export const oldestClients = Object.fromEntries(
  Object.entries(clients).map(([name, open]) => [name, (target, options) => open(target, { sse: true, ...options })]),
);
// Probes with `server/discover` and falls back to `initialize`.
export const probing = v2('auto');
export const modern = v2({ pin: '2026-07-28' });

// A fetch that loses the answer of a POST in the middle: after the first event, it
// breaks both the stream that the client reads and the connection to the proxy.
export function losing(isVictim) {
  const state = { lost: 0, resumed: [] };
  const lossy = async (input, init) => {
    const last = new Headers(init?.headers).get('last-event-id');
    if (last !== null) state.resumed.push(last);
    const victim = init?.method === 'POST' && isVictim(init.body) && state.lost === 0;
    if (!victim) return fetch(input, init);
    const abort = new AbortController();
    const response = await fetch(input, { ...init, signal: abort.signal });
    if (!response.headers.get('content-type')?.includes('text/event-stream')) return response;
    state.lost += 1;
    const reader = response.body.getReader();
    const body = new ReadableStream({
      async start(controller) {
        const { value } = await reader.read();
        controller.enqueue(value);
        await pause(50);
        abort.abort();
        await reader.cancel().catch(() => {});
        controller.error(new TypeError('the connection is lost'));
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  };
  return { fetch: lossy, state };
}
