// Who is let in by the configurations of contrib/: every spelling of the credentials, over HTTP/1.1
// and HTTP/2, at both transports' paths, at every front. A front without secrets lets nobody in.
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { behindProxy } from '../lib/behind.mjs';
import { found, Front, LONG_SECRET, SECRET } from '../lib/fronts.mjs';
import { withTimeout } from '../lib/proxy.mjs';
import { full } from '../lib/servers.mjs';

const PROGRAMS = ['nginx', 'caddy', 'haproxy'];
const REPLY_MS = 10_000;

const RIGHT = [`Bearer ${SECRET}`];
const WRONG = [
  undefined,
  '',
  ' ',
  'Bearer',
  'Bearer ',
  'Bearer  ',
  'Bearer wrong-but-long-enough-to-be-one',
  `Bearer ${SECRET.toUpperCase()}`,
  `Bearer ${SECRET.toLowerCase()}`,
  `BEARER ${SECRET.toUpperCase()}`,
  `Bearer ${LONG_SECRET.toUpperCase()}`,
  `Bearer ${SECRET.slice(0, -1)}`,
  `Bearer ${SECRET.slice(1)}`,
  `Bearer ${SECRET}x`,
  `Bearer x${SECRET}`,
  `Bearer ${SECRET} ${SECRET}`,
  `Bearer x, Bearer ${SECRET}`,
  `Bearer ^${SECRET}$`,
  'Bearer ................................',
  'Bearer *',
  'Bearer ********************************',
  SECRET,
  `Basic ${SECRET}`,
  `Basic ${Buffer.from(`ann:${SECRET}`).toString('base64')}`,
  `Bearer ${Buffer.from(SECRET).toString('base64')}`,
];

export async function doors(report) {
  for (const program of PROGRAMS) {
    await report.group(`doors of ${program}`, async (check) => {
      if (!found(program)) return check.skip('all', `${program} is not installed`);
      await behindProxy(check, full(), async (url) => {
        const { host } = new URL(url);
        const at = (options, body) => behind(program, [host, host, host], options, body);
        await at({}, (front) => known(check, program, front));
        for (const [what, options] of without(program)) {
          await at(options, (front) => nobody(check, what, front));
        }
      });
    });
  }
}

async function behind(program, upstreams, options, body) {
  const front = await Front.start(program, upstreams, options);
  try {
    await body(front.url);
  } finally {
    await front.stop();
  }
}

async function known(check, program, url) {
  // Caddy has one secret, and takes the scheme as it is written there.
  const more = program === 'caddy' ? [] : [`bearer ${SECRET}`, `Bearer ${LONG_SECRET}`];
  for (const [version, post] of Object.entries(VERSIONS)) {
    await check(`${version}: the right token is let in`, async () => {
      for (const authorization of [...RIGHT, ...more]) {
        assert.equal((await post(url, authorization)).status, 200, authorization);
      }
    }, 60_000);
    await check(`${version}: all other credentials are refused, and told the scheme`, async () => {
      for (const authorization of WRONG) await refused(post, url, authorization);
    }, 60_000);
  }
}

// Configurations in which nobody has a secret, or the secret is no secret.
function without(program) {
  if (program === 'caddy') {
    return [
      ['without MCP_TOKEN', { secret: null }],
      ['with an empty MCP_TOKEN', { secret: '' }],
      ['with the MCP_TOKEN *', { secret: '*' }],
      ['with a MCP_TOKEN that ends in *', { secret: 'Bearer-of-16-characters*' }],
    ];
  }
  const empty = ['with no token', { tokens: {} }];
  if (program === 'haproxy') return [empty];
  // Without ~, nginx would compare without case.
  const tokens = { [SECRET]: 'ann' };
  return [
    empty,
    ['with plain strings', { tokens, line: ([token, name]) => `"${token}" ${name};\n` }],
    ['with plain strings and the scheme', { tokens, line: ([token, name]) => `"Bearer ${token}" ${name};\n` }],
  ];
}

async function nobody(check, what, url) {
  for (const [version, post] of Object.entries(VERSIONS)) {
    await check(`${version}: ${what}, nobody is let in`, async () => {
      for (const authorization of [...RIGHT, ...WRONG, 'Bearer Bearer-of-16-characters-and-more']) {
        await refused(post, url, authorization);
      }
    }, 60_000);
  }
}

async function refused(post, url, authorization) {
  const { status, scheme } = await post(url, authorization);
  assert.equal(status, 401, JSON.stringify(authorization));
  assert.equal(scheme, 'Bearer');
}

const BODY = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'd', version: '1' } },
});

const fields = (authorization) => ({
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  ...(authorization === undefined ? {} : { authorization }),
});

// Opens a session and ends it: gives the status, and the scheme that a refusal asks for.
async function visit(send, authorization) {
  const opened = await send('POST', '/mcp', fields(authorization), BODY);
  const session = opened.headers['mcp-session-id'];
  if (session) await send('DELETE', '/mcp', { ...fields(authorization), 'mcp-session-id': session });
  return { status: opened.status, scheme: opened.headers['www-authenticate'] };
}

// The same over HTTP+SSE, where the session ends with its connection. Its address for messages is
// no way around the door.
async function oldestVisit(send, authorization) {
  const opened = await send('GET', '/sse', fields(authorization));
  const isOpen = opened.status === 200;
  const told = /^event: endpoint\r?\n(?:id: .*\n)?data: (\/sse\?sessionId=[0-9a-f]{32})\n\n/.exec(opened.text);
  assert.equal(told !== null, isOpen, opened.text);
  const address = told?.[1] ?? `/sse?sessionId=${'0'.repeat(32)}`;
  const posted = await send('POST', address, fields(authorization), BODY);
  assert.equal(posted.status, isOpen ? 202 : opened.status, address);
  assert.equal(posted.headers['www-authenticate'], opened.headers['www-authenticate']);
  return { status: opened.status, scheme: opened.headers['www-authenticate'] };
}

// Resolves with a reply: with all of it, or with the first event of a stream.
function read(stream, status, headers, resolve) {
  let text = '';
  const reply = () => resolve({ status, headers, text });
  stream.on('data', (chunk) => {
    text += chunk;
    if (headers['content-type'] === 'text/event-stream' && text.includes('\n\n')) reply();
  });
  stream.once('end', reply);
}

async function http1(visiting, url, authorization) {
  const all = [];
  const send = (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const sent = request(new URL(path, url), { method, headers, agent: false }, (response) => {
        response.on('error', reject);
        read(response, response.statusCode, response.headers, resolve);
      });
      all.push(sent);
      sent.on('error', reject).end(body);
    });
  try {
    return await withTimeout(visiting(send, authorization), REPLY_MS, 'a reply over HTTP/1.1');
  } finally {
    for (const sent of all) sent.destroy();
  }
}

async function http2(visiting, url, authorization) {
  const session = connect(new URL(url).origin);
  const failed = new Promise((_, reject) => session.once('error', reject));
  const send = (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': method, ':path': path, ...headers });
      stream.on('error', reject).once('response', (got) => read(stream, got[':status'], got, resolve));
      stream.end(body);
    });
  try {
    return await withTimeout(Promise.race([visiting(send, authorization), failed]), REPLY_MS, 'a reply over HTTP/2');
  } finally {
    session.destroy();
  }
}

const VERSIONS = {
  'HTTP/1.1': (...visitor) => http1(visit, ...visitor),
  'HTTP/2': (...visitor) => http2(visit, ...visitor),
  'HTTP+SSE over HTTP/1.1': (...visitor) => http1(oldestVisit, ...visitor),
  'HTTP+SSE over HTTP/2': (...visitor) => http2(oldestVisit, ...visitor),
};
