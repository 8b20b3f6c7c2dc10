// What becomes of a connected client when the server's process or the proxy ends: its next call
// works. The table is that of docs/recovery.md, measured again.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, callsInFlight, crash, crowd, isHere, kinds, next, World } from '../lib/outlive.mjs';

const ROW_MS = 240_000;

const rows = {
  'the server crashes between two calls': { happens: (_, members) => crash(members) },
  'the server crashes in a call': {
    async happens(_, members) {
      const calls = await callsInFlight(members);
      await crash(members);
      return Promise.all(calls);
    },
  },
  'the session is idle and has no GET stream': {
    refusesGet: true,
    flags: ['--session-keep-alive', '1'],
    happens: (world) => world.childless(),
  },
  'the session sleeps while its stream is open': {
    // Processes of 2026-07-28 belong to no session, and end by the keep-alive.
    flags: ['--sleep', '1', '--session-keep-alive', '2'],
    happens: (world) => world.childless(),
  },
  'SIGTERM, and the proxy is started again': { happens: (world) => restart(world, 'SIGTERM') },
  'SIGKILL, and the proxy is started again': { happens: (world) => restart(world, 'SIGKILL') },
  'SIGTERM in a call, started again': { happens: (world, members) => restartInCall(world, members, 'SIGTERM') },
  'SIGKILL in a call, started again': { happens: (world, members) => restartInCall(world, members, 'SIGKILL') },
  'a call while the proxy is down': {
    async happens(world, members) {
      await world.down('SIGTERM');
      const calls = members.map((one) => call(one).then((text) => ({ text }), (error) => ({ error: error.message })));
      const ends = await Promise.all(calls);
      await world.up();
      return ends;
    },
  },
};

async function restart(world, signal) {
  await world.down(signal);
  await world.up();
}

async function restartInCall(world, members, signal) {
  const calls = await callsInFlight(members);
  await restart(world, signal);
  return Promise.all(calls);
}

// What a client makes impossible by itself, whatever the proxy does: the reason, by row and client.
// One that works all the same is a failure, too.
const CLOSES = 'the client closes its session when its proxy does not answer, until its application opens another';
const impossible = {
  'SIGKILL in a call, started again': { 'Py 2 modern': CLOSES },
  'a call while the proxy is down': {
    'Py 1': CLOSES,
    'Py 2': CLOSES,
    'Py 2 auto': CLOSES,
    fastmcp: CLOSES,
    'Py 2 modern': CLOSES,
  },
};

export async function outlive(report) {
  const table = {};
  for (const [what, row] of Object.entries(rows)) {
    await report.group(`outlive: ${what}`, async (check) => {
      table[what] = {};
      for (const [name] of Object.entries(kinds).filter(([, kind]) => !isHere(kind))) {
        check.skip(name, 'it is not installed');
      }
      await check('it can be tried', () => tried(row, table[what]), ROW_MS);
      for (const [name, { after, became }] of Object.entries(table[what])) {
        const reason = impossible[what]?.[name];
        await check(reason ? `${name} can't: ${reason}` : `${name}: its next call works`, () => {
          console.log(`    ${what} | ${name} | ${after ?? 'works'} | in flight: ${JSON.stringify(became)}`);
          if (reason) assert.ok(after, 'it works by now');
          else assert.equal(after, undefined);
        });
        if (became) await check(`${name}: its call in flight ends with an error`, () => assert.ok(became.error));
      }
    });
  }
  await report.group('outlive: the table of docs/recovery.md', (check) => documented(check, table));
}

async function tried(row, cells) {
  const world = await World.start(row);
  let members = [];
  try {
    members = await crowd(world);
    const became = await row.happens(world, members);
    const after = await Promise.all(members.map(next));
    members.forEach(({ name }, i) => (cells[name] = { after: after[i], became: became?.[i] }));
  } finally {
    await Promise.all(members.map(({ client }) => client.close().catch(() => {})));
    await world.close();
  }
}

// The table as the page has it; INTEROP_WRITE=1 writes it there.
async function documented(check, cells) {
  const names = Object.keys(kinds);
  if (names.some((name) => !isHere(kinds[name]))) return check.skip('the table', 'not all clients are installed');
  const notes = [];
  const cell = (what, name) => {
    if (cells[what][name]?.after === undefined) return 'yes';
    const note = impossible[what]?.[name] ?? cells[what][name].after;
    if (!notes.includes(note)) notes.push(note);
    return `no (${notes.indexOf(note) + 1})`;
  };
  const line = (head, all) => `| ${[head, ...all].join(' | ')} |`;
  const lines = [
    line('what happens', names),
    `|${'---|'.repeat(names.length + 1)}`,
    ...Object.keys(rows).map((what) => line(what, names.map((name) => cell(what, name)))),
    '',
    ...notes.map((note, i) => `${i + 1}. ${note}`),
  ];
  const table = lines.join('\n').trim();
  console.log(table);
  await check('the page says what was measured', () => {
    const page = join(process.env.INTEROP_ROOT, 'docs', 'recovery.md');
    const [begin, end] = ['<!-- measured -->\n', '\n<!-- end -->'];
    const text = readFileSync(page, 'utf8');
    const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
    if (process.env.INTEROP_WRITE) writeFileSync(page, text.slice(0, from) + table + text.slice(to));
    else assert.equal(text.slice(from, to), table, 'INTEROP_WRITE=1 writes the page');
  });
}
