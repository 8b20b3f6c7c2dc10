// An oracle that is not ours: real servers over HTTP of their own, and the same servers over stdio
// behind the proxy, get the same sequences of requests. Each answer is compared; what differs is
// listed with a reason in oracle/differences.mjs. Sequences are drawn from ORACLE_SEED (1), and
// ORACLE_COUNT (2,000) of them are played.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { pause } from '../lib/clients.mjs';
import { freePort } from '../lib/fronts.mjs';
import { Proxy } from '../lib/proxy.mjs';
import { scratch } from '../lib/servers.mjs';
import { differences } from '../oracle/differences.mjs';
import { exchange } from '../oracle/exchange.mjs';
import { servers } from '../oracle/servers.mjs';
import { ends, initialize, initialized, random, rendered, steps } from '../oracle/steps.mjs';

const COUNT = Number(process.env.ORACLE_COUNT ?? 2000);
const SEED = Number(process.env.ORACLE_SEED ?? 1);
const STEPS = 6;
// Sequences that share a session: to start a server takes a thousand times as long as a request.
const OF_A_SESSION = 50;
const SHOWN = 10;
const READY_MS = 30_000;
const SUITE_MS = 600_000;

export async function oracle(report) {
  const { folder, remove } = scratch();
  const met = new Map(differences.map(({ name }) => [name, 0]));
  const each = servers(join(folder, 'files')).map((server) =>
    report.group(`oracle, ${server.name}`, async (check) => {
      const count = Math.round(COUNT * server.share);
      await check(`${count} sequences from seed ${SEED}`, () => played(server, count, met), SUITE_MS);
    }),
  );
  await Promise.all(each);
  await report.group('oracle, listed differences', async (check) => {
    for (const [name, times] of met) await check(`${name}: seen ${times} times`, () => assert.ok(times > 0, 'stale'));
  });
  remove();
}

async function played(server, count, met) {
  const own = await withOwn(server);
  const proxy = await Proxy.start(server.stdio, { flags: ['--prewarm', '1'] });
  const found = [];
  try {
    await ready(own.url);
    for (let first = 0; first < count; first += OF_A_SESSION) {
      const draw = random(SEED * 1_000_003 + first);
      const pair = { server, urls: [own.url, proxy.url], sessions: [{}, {}] };
      await session(draw, pair, Math.min(OF_A_SESSION, count - first), (step, answers) =>
        judge(server, step, answers, met, (what) => found.push(`session of sequence ${first}: ${what}`)),
      );
    }
  } finally {
    own.process.kill('SIGTERM');
    const wrong = await proxy.stop();
    if (wrong) found.push(wrong);
  }
  const more = found.length > SHOWN ? `\nand ${found.length - SHOWN} more` : '';
  assert.ok(found.length === 0, found.slice(0, SHOWN).join('\n') + more);
}

// One session on each side, the same steps on both.
async function session(draw, pair, sequences, seen) {
  const opened = initialize(draw);
  const answers = await both(pair, opened);
  seen(opened, answers);
  answers.forEach((answer, side) => {
    const version = answer.messages.at(-1)?.result?.protocolVersion;
    pair.sessions[side] = { id: answer.session, version };
  });
  const all = [initialized()];
  for (let i = 0; i < sequences; i++) all.push(...steps(draw, pair.server.tools, STEPS));
  for (const step of [...all, ...ends(draw)]) seen(step, await both(pair, step));
}

const both = ({ urls, sessions }, step) =>
  Promise.all(urls.map((url, side) => exchange(url, rendered(step, sessions[side]))));

function judge(server, step, [own, ours], met, failed) {
  if (own.status === ours.status && isDeepStrictEqual(own.messages, ours.messages)) return;
  const listed = differences.find(({ like }) => like({ sdk: server.sdk, step, own, ours }));
  if (listed) met.set(listed.name, met.get(listed.name) + 1);
  else failed(`${step.kind} ${shown(step.body)}\n   own  ${shown(own)}\n   ours ${shown(ours)}`);
}

const shown = (value) => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
};

async function withOwn(server) {
  const port = await freePort();
  const { command, env } = server.own(port);
  const process_ = spawn(command[0], command.slice(1), { stdio: 'ignore', env: { ...process.env, ...env } });
  return { process: process_, url: `http://127.0.0.1:${port}/mcp` };
}

async function ready(url) {
  for (const end = Date.now() + READY_MS; Date.now() < end; await pause(100)) {
    const answer = await fetch(url, { method: 'DELETE' }).catch(() => undefined);
    if (answer) return;
  }
  throw new Error(`${url}: nobody listens`);
}
