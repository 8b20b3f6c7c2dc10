// Clients of HTTP+SSE before three nodes behind contrib's HAProxy: a session's messages find the node
// that has its stream, by the user, or by the node's name where there is one.
import assert from 'node:assert/strict';
import { clients, oldestClients } from '../lib/clients.mjs';
import { bearing, found, Front, SECRET, TOKENS } from '../lib/fronts.mjs';
import { descendants, Proxy } from '../lib/proxy.mjs';
import { full } from '../lib/servers.mjs';
import { opened, until } from './full.mjs';
import { oldestAt } from './oldest.mjs';

const SDK = 'TypeScript SDK v1';
const NAMES = ['a', 'b', 'c'];
const CALLS = 3;

export async function oldestNodes(report) {
  for (const [what, named, body] of [
    ['HTTP+SSE, three nodes behind HAProxy', false, byUser],
    ['HTTP+SSE, three nodes with names behind HAProxy', true, byName],
  ]) {
    await report.group(what, async (check) => {
      if (!found('haproxy')) return check.skip('all', 'haproxy is not installed');
      const nodes = [];
      for (const name of NAMES) nodes.push(await node(named ? ['--node', name] : []));
      const front = await Front.start('haproxy', nodes.map(({ url }) => new URL(url).host), { named });
      try {
        await body(check, front.url, nodes);
      } finally {
        await front.stop();
        for (const one of nodes.filter(({ process }) => process.exitCode === null)) one.process.kill('SIGKILL');
      }
    });
  }
}

const node = (flags, port) => Proxy.start(full('session'), { flags, port });

async function enter(url, token, nodes) {
  const { client } = await opened(oldestClients[SDK], oldestAt(url), { fetch: bearing(token) });
  const pid = Number(await client.text('pid'));
  const home = nodes.find(({ process }) => descendants(process.pid).some((one) => one.pid === pid));
  assert.ok(home, 'a node has the process');
  return { client, token, home };
}

// As before, whoever is asked in between.
async function allAnswer(all) {
  for (let i = 0; i < CALLS; i++) {
    const said = await Promise.all(all.map(({ client }, n) => client.text('echo', { text: `${i} ${n}` })));
    assert.deepEqual(said, all.map((_, n) => `${i} ${n}`));
  }
}

// HAProxy may need a moment to find out that a node is gone.
async function again(url, lost, nodes) {
  await lost.client.close();
  await until(() => enter(url, lost.token, nodes).then((one) => Object.assign(lost, one), () => false));
}

async function killed(check, url, all, nodes) {
  const [a, ...rest] = nodes;
  const lost = all.filter(({ home }) => home === a);
  const others = all.filter(({ home }) => home !== a);
  await check('a killed node takes its own sessions along and no other; their clients connect anew', async () => {
    a.process.kill('SIGKILL');
    await a.ended;
    await allAnswer(others);
    for (const one of lost) {
      await again(url, one, rest);
      assert.ok(rest.includes(one.home));
    }
    await allAnswer(all);
  });
}

async function byUser(check, url, nodes) {
  const all = [];
  await check('a user has one node, users spread over all, and all calls are answered', async () => {
    for (const token of Object.keys(TOKENS)) {
      const [one, two] = await Promise.all([enter(url, token, nodes), enter(url, token, nodes)]);
      assert.equal(one.home, two.home, token);
      all.push(one, two);
    }
    for (const one of nodes) assert.ok(all.some(({ home }) => home === one));
    await allAnswer(all);
  });
  await killed(check, url, all, nodes);
  await check('a node that is back takes no user from another', async () => {
    const { port } = new URL(nodes[0].url);
    nodes[0] = await node([], port);
    await until(() => takes(url, nodes[0]));
    await allAnswer(all);
    for (const { token, home } of all) {
      const more = await enter(url, token, nodes);
      assert.equal(more.home, home, token);
      await more.client.close();
    }
  });
  await Promise.all(all.map(({ client }) => client.close()));
}

// Whether HAProxy gives sessions of Streamable HTTP to that node.
async function takes(url, node) {
  const { client } = await opened(clients[SDK], url, { fetch: bearing(SECRET) });
  const pid = Number(await client.text('pid'));
  await client.leave();
  return descendants(node.process.pid).some((one) => one.pid === pid);
}

async function byName(check, url, nodes) {
  const all = [];
  await check("one user's sessions spread over all nodes, and all calls are answered", async () => {
    for (let i = 0; i < 12; i++) all.push(await enter(url, SECRET, nodes));
    for (const one of nodes) assert.ok(all.some(({ home }) => home === one));
    await allAnswer(all);
  });
  await killed(check, url, all, nodes);
  await drained(check, url, all, nodes);
  await Promise.all(all.map(({ client }) => client.close()));
}

async function drained(check, url, all, [, b, c]) {
  await check('a node that drains answers its call, and nobody who connects is refused', async () => {
    const { client } = all.find(({ home }) => home === b);
    const reached = Promise.withResolvers();
    const inFlight = client.text('count_to', { n: 20, wait_ms: 100 }, { onprogress: reached.resolve });
    // It is looked at in the end, and by then there may be another failure.
    inFlight.catch(() => {});
    await reached.promise;
    b.process.kill('SIGTERM');
    // HAProxy may not know yet.
    await until(async () => (await fetch(new URL('/healthz', b.url))).status === 503);
    for (let i = 0; i < NAMES.length * CALLS; i++) all.push(await enter(url, SECRET, [c]));
    assert.equal(await inFlight, 'counted to 20');
    await allAnswer(all.filter(({ home }) => home === c));
  });
}
