// Sequences of what clients send, drawn from a seed: what they should, and what they should not.

// Mulberry32: small, and the same on every machine.
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  // Ids in flight are nobody else's: `serial` counts those that are fresh.
  return { chance: (p) => next() < p, below, one: (list) => list[below(list.length)], serial: 0 };
}

const VERSIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const BOTH = 'application/json, text/event-stream';
const JSON_TYPE = 'application/json';
const CAPABILITIES = [{}, { sampling: {} }, { elicitation: {} }, { experimental: { x: { y: 1 } } }];

export const initialize = (draw) => {
  const version = draw.chance(0.1) ? draw.one(['1999-01-01', '2099-12-31']) : draw.one(VERSIONS);
  const params = {
    protocolVersion: version,
    capabilities: draw.one(CAPABILITIES),
    clientInfo: { name: 'oracle', version: '1' },
  };
  return { kind: 'open', body: request(draw, 'initialize', params) };
};

export const initialized = () => ({
  kind: 'note',
  body: { jsonrpc: '2.0', method: 'notifications/initialized' },
});

const ids = [0, 1, 7, -1, 2 ** 53 - 1, 'a', '', '1', 'é"\\', 'x'.repeat(200)];

function request(draw, method, params) {
  const id = draw.chance(0.3) ? draw.one(ids) : draw.chance(0.5) ? `n${draw.serial++}` : 1000 + draw.serial++;
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) };
}

// The requests of a session, by what they ask for.
const asks = {
  ping: () => ['ping'],
  tools: (draw) => ['tools/list', draw.one([undefined, {}, { cursor: 'none' }])],
  prompts: () => ['prompts/list', {}],
  resources: () => ['resources/list', {}],
  templates: () => ['resources/templates/list', {}],
  prompt: (draw) => [
    'prompts/get',
    draw.one([{ name: 'simple-prompt' }, { name: 'args-prompt', arguments: { city: 'Rome' } }, { name: 'none' }, {}]),
  ],
  read: (draw) => ['resources/read', draw.one([{ uri: 'demo://none' }, { uri: 7 }, {}])],
  complete: (draw) => [
    'completion/complete',
    {
      ref: draw.one([{ type: 'ref/prompt', name: 'completable-prompt' }, { type: 'ref/prompt', name: 'none' }]),
      argument: { name: 'department', value: draw.one(['E', 'S', '']) },
    },
  ],
  unknown: (draw) => [draw.one(['x', 'tools/none', 'vendor/method', '']), draw.one([undefined, {}, { a: 1 }])],
};

const call = (draw, tools) => {
  const [name, args] = draw.chance(0.05) ? ['no-such-tool', {}] : draw.one(tools);
  const params = { name, arguments: args };
  if (draw.chance(0.3)) params._meta = { progressToken: draw.one(['t', 5, 0, '']) };
  return { kind: 'ask', body: request(draw, 'tools/call', params) };
};

const ask = (draw) => {
  const [method, params] = draw.one(Object.values(asks))(draw);
  return { kind: 'ask', body: request(draw, method, params) };
};

const note = (draw) => ({
  kind: 'note',
  body: draw.one([
    { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'nobody', reason: 'x' } },
    { jsonrpc: '2.0', method: 'notifications/vendor', params: { a: 1 } },
    { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } },
  ]),
});

// What is no message, by name. A name is what a listed difference refers to.
const bad = (draw) => {
  const id = `b${draw.serial++}`;
  const good = { jsonrpc: '2.0', id, method: 'ping' };
  const [kind, body, fields] = draw.one([
    ['no JSON', '{"jsonrpc":'],
    ['an empty body', ''],
    ['a number', '7'],
    ['an empty object', '{}'],
    ['an empty array', '[]'],
    ['another version of JSON-RPC', { ...good, jsonrpc: '1.0' }],
    ['no version of JSON-RPC', { id, method: 'ping' }],
    ['an id that is null', { ...good, id: null }],
    ['an id that is an object', { ...good, id: {} }],
    ['a method that is a number', { ...good, method: 5 }],
    ['params that are a string', { ...good, params: 'x' }],
    ['a text', good, { 'Content-Type': 'text/plain' }],
    ['no Accept', good, { Accept: '*/*' }],
    ['JSON alone accepted', good, { Accept: JSON_TYPE }],
    ['pictures accepted', good, { Accept: 'image/png' }],
    ['an unknown revision', good, { 'MCP-Protocol-Version': '1999-01-01' }],
    ['an unknown session', good, { 'Mcp-Session-Id': '00000000-0000-0000-0000-000000000000' }],
    ['no session', good, { 'Mcp-Session-Id': undefined }],
    ['a second initialize', { ...good, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'o', version: '1' } } }],
    ['a response to nothing', { jsonrpc: '2.0', id: 'nobody', result: {} }],
    ['an error to nothing', { jsonrpc: '2.0', id: 'nobody', error: { code: -1, message: 'x' } }],
  ]);
  return { kind, body, fields };
};

const other = (draw) =>
  draw.one([
    { kind: 'GET without Accept', method: 'GET', fields: { Accept: JSON_TYPE } },
    { kind: 'GET without a session', method: 'GET', fields: { Accept: 'text/event-stream', 'Mcp-Session-Id': undefined } },
    { kind: 'DELETE without a session', method: 'DELETE', fields: { 'Mcp-Session-Id': undefined } },
    { kind: 'PUT', method: 'PUT', body: '{}' },
  ]);

// The end of a session, and a request after it.
export const ends = (draw) => [
  { kind: 'DELETE', method: 'DELETE' },
  { kind: 'a call after DELETE', body: request(draw, 'ping') },
];

export const steps = (draw, tools, count) =>
  Array.from({ length: count }, () => {
    const dice = draw.below(100);
    if (dice < 35) return call(draw, tools);
    if (dice < 65) return ask(draw);
    if (dice < 75) return note(draw);
    if (dice < 93) return bad(draw);
    return other(draw);
  });

// The request of a step, for a session with this id and revision.
export function rendered(step, session) {
  const fields = {
    'Content-Type': JSON_TYPE,
    Accept: BOTH,
    'Mcp-Session-Id': session?.id,
    'MCP-Protocol-Version': session?.version,
    ...step.fields,
  };
  const body = step.body === undefined || typeof step.body === 'string' ? step.body : JSON.stringify(step.body);
  const known = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { method: step.method ?? 'POST', fields: Object.fromEntries(known), body };
}
