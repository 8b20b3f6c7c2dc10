// Who is let in by the configurations of contrib/: every spelling of the credentials, over HTTP/1.1
// and HTTP/2, at every front. A front without secrets lets nobody in.
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
  const opened = await send('POST', fields(authorization), BODY);
  const session = opened.headers['mcp-session-id'];
  if (session) await send('DELETE', { ...fields(authorization), 'mcp-session-id': session });
  return { status: opened.status, scheme: opened.headers['www-authenticate'] };
}

function http1(url, authorization) {
  const send = (method, headers, body) =>
    new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, agent: false }, (response) => {
        response.resume().once('end', () => resolve({ status: response.statusCode, headers: response.headers }));
      });
      sent.once('error', reject).end(body);
    });
  return withTimeout(visit(send, authorization), REPLY_MS, 'a reply over HTTP/1.1');
}

async function http2(url, authorization) {
  const { origin, pathname } = new URL(url);
  const session = connect(origin);
  const failed = new Promise((_, reject) => session.once('error', reject));
  const send = (method, headers, body) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':method': method, ':path': pathname, ...headers });
      stream.once('error', reject).once('response', (got) => {
        stream.resume().once('end', () => resolve({ status: got[':status'], headers: got }));
      });
      stream.end(body);
    });
  try {
    return await withTimeout(Promise.race([visit(send, authorization), failed]), REPLY_MS, 'a reply over HTTP/2');
  } finally {
    session.destroy();
  }
}

const VERSIONS = { 'HTTP/1.1': http1, 'HTTP/2': http2 };
