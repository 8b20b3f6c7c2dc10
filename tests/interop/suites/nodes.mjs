// Three proxies behind contrib's HAProxy are one endpoint: sessions stay where they were opened,
// a node that dies takes its own along and no other, a node that drains is not asked for more. The
// servers are of the session era, so that calls of 2026-07-28 that ask wait in a node.
import assert from 'node:assert/strict';
import { clients, modern, pause } from '../lib/clients.mjs';
import { bearing, found, Front, SECRET, TOKENS } from '../lib/fronts.mjs';
import { descendants, Proxy, withTimeout } from '../lib/proxy.mjs';
import { full } from '../lib/servers.mjs';
import { opened, until } from './full.mjs';
import { oldestNodes } from './oldest-nodes.mjs';

const SESSIONS = 12;
const open = clients['TypeScript SDK v1'];

export async function nodes(report) {
  await report.group('three nodes behind HAProxy', async (check) => {
    if (!found('haproxy')) return check.skip('all', 'haproxy is not installed');
    const proxies = [];
    for (let i = 0; i < 3; i++) proxies.push(await Proxy.start(full('session'), { flags: ['--eras', 'both'] }));
    const front = await Front.start('haproxy', proxies.map((proxy) => new URL(proxy.url).host));
    try {
      const waiting = await stateless(check, front.url, proxies);
      await sessions(check, front.url, proxies, waiting);
    } finally {
      await front.stop();
      for (const proxy of proxies.filter((one) => one.process.exitCode === null)) proxy.process.kill('SIGKILL');
    }
  });
  await oldestNodes(report);
}

const enter = async (url) => {
  const { client } = await opened(open, url, { fetch: bearing(SECRET) });
  return { client, calls: 0, failures: [] };
};

// The nodes that know a session, asked directly.
async function homes(session, proxies) {
  const known = await Promise.all(
    proxies.map(async ({ url, process, ended }) => {
      if (process.exitCode !== null || process.signalCode !== null) return false;
      const headers = { 'content-type': 'application/json', 'mcp-session-id': session };
      const body = '{"jsonrpc":"2.0","id":"where","method":"ping"}';
      try {
        return (await fetch(url, { method: 'POST', headers, body })).status === 200;
      } catch (error) {
        // It may end between the two; a node that lives has to answer.
        await withTimeout(ended, 2000, `the end of a node that does not answer (${error.cause})`);
        return false;
      }
    }),
  );
  return proxies.filter((_, i) => known[i]);
}

// Calls without a pause until told to stop; a failure is kept, and the next call made.
function load(all) {
  let going = true;
  const work = all.map(async (one) => {
    while (going) {
      const text = `call ${one.calls}`;
      try {
        assert.equal(await one.client.text('echo', { text }, { timeout: 5000 }), text);
        one.calls += 1;
      } catch (error) {
        one.failures.push(error);
        await pause(50);
      }
    }
  });
  return async () => {
    going = false;
    await Promise.all(work);
  };
}

async function sessions(check, url, [a, b, c], waiting) {
  const all = await Promise.all(Array.from({ length: SESSIONS }, () => enter(url)));
  await check(`${SESSIONS} sessions, each at home on one node, all nodes at work`, async () => {
    for (const one of all) {
      const [home, ...more] = await homes(one.client.sessionId, [a, b, c]);
      assert.equal(more.length, 0);
      one.home = home;
    }
    for (const node of [a, b, c]) assert.ok(all.some(({ home }) => home === node));
  });
  const of = (node) => all.filter(({ home }) => home === node);
  const unhurt = (ones) => {
    for (const { failures, calls } of ones) assert.deepEqual({ failures, worked: calls > 0 }, { failures: [], worked: true });
  };
  await check('under load every call finds its session', async () => {
    const rest = load(all);
    await pause(1000);
    await rest();
    unhurt(all);
  });
  await check('a killed node loses its own sessions and no other; their clients are told 404', async () => {
    const rest = load(all);
    await pause(200);
    a.process.kill('SIGKILL');
    await until(() => of(a).every(({ failures }) => failures.at(-1)?.code === 404));
    await rest();
    unhurt([...of(b), ...of(c)]);
    // But for the call that was under way.
    for (const { failures } of of(a)) assert.ok(failures.slice(1).every(({ code }) => code === 404), failures.join());
  });
  await check('they initialise again and are at home elsewhere', async () => {
    for (const lost of of(a)) {
      await lost.client.close();
      Object.assign(lost, await enter(url));
      [lost.home] = await homes(lost.client.sessionId, [a, b, c]);
      assert.ok(lost.home === b || lost.home === c);
      assert.equal(await lost.client.text('echo', { text: 'back' }), 'back');
    }
  });
  await retried(check, url, a, waiting);
  await drained(check, url, { all, of, unhurt, b, c });
  await Promise.all(all.map(({ client }) => client.close()));
  await check('the last node ends with status 0', async () => assert.equal(await c.stop(), null), 30_000);
}

async function drained(check, url, { all, of, unhurt, b, c }) {
  const fresh = [];
  await check('a node that drains finishes its calls, and nobody is refused a session', async () => {
    const inFlight = of(b)[0].client.text('count_to', { n: 20, wait_ms: 100 });
    const rest = load(of(c));
    await pause(100);
    b.process.kill('SIGTERM');
    // HAProxy may not know yet, but what is opened from now on is opened elsewhere.
    await until(async () => (await fetch(new URL('/healthz', b.url))).status === 503);
    for (let i = 0; i < SESSIONS; i++) {
      fresh.push(await enter(url));
      await pause(50);
    }
    assert.equal(await inFlight, 'counted to 20');
    await rest();
    unhurt(of(c));
    for (const { client } of fresh) assert.deepEqual(await homes(client.sessionId, [b, c]), [c]);
  });
  await check('then it ends with status 0, and its sessions are told 404', async () => {
    const end = await withTimeout(b.ended, 15_000, 'the drained node to end');
    assert.deepEqual(end, { code: 0, signal: null });
    for (const { client } of of(b)) {
      await assert.rejects(client.call('pid'), (error) => error.code === 404);
    }
  });
  all.push(...fresh);
}

// Revision 2026-07-28: no sessions, but what a call asks for must find the call again. Gives, for
// each user, a call that waits for its answer, and the node where it does.
async function stateless(check, url, proxies) {
  const waiting = [];
  await check('2026-07-28: users spread over the nodes, and each retry finds the call that asked', async () => {
    for (const token of Object.keys(TOKENS)) {
      const { client, elicit } = await opened(modern, url, { fetch: bearing(token) });
      const pid = Number(await client.text('pid'));
      const node = proxies.find(({ process }) => descendants(process.pid).some((one) => one.pid === pid));
      elicit.next = { action: 'accept', content: { name: 'Ann' } };
      assert.equal(await client.text(ASKS), 'Hello, Ann!');
      await client.close();
      waiting.push({ token, node, asked: await greeting(url, token) });
    }
    for (const node of proxies) assert.ok(waiting.some((one) => one.node === node));
  });
  return waiting;
}

const ASKS = 'test_input_required_result_elicitation';

// One request of that call, by hand, so that the retry can come late.
async function greeting(url, token, params = {}) {
  const response = await bearing(token)(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': ASKS,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: ASKS,
        arguments: {},
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
        },
      },
    }),
  });
  const text = await response.text();
  const events = text.split('\n').filter((line) => line.startsWith('data: {'));
  return { status: response.status, ...JSON.parse(events.at(-1)?.slice('data: '.length) ?? text) };
}

async function retried(check, url, dead, waiting) {
  await check('2026-07-28: a retry finds the call, or is told that its node is gone', async () => {
    for (const { token, node, asked } of waiting) {
      const { resultType, requestState, inputRequests } = asked.result;
      assert.equal(resultType, 'input_required');
      const answer = { action: 'accept', content: { name: 'Bea' } };
      const inputResponses = Object.fromEntries(Object.keys(inputRequests).map((key) => [key, answer]));
      const again = await greeting(url, token, { requestState, inputResponses });
      if (node === dead) {
        assert.match(again.error?.message ?? JSON.stringify(again), /requestState is unknown/);
        assert.equal((await greeting(url, token)).result.resultType, 'input_required');
      } else {
        assert.equal(again.result?.content[0].text, 'Hello, Bea!', JSON.stringify(again));
      }
    }
  });
}
