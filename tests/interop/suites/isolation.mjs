// Six clients at once before a server of the session era that keeps state: two of the TypeScript
// SDK and two of the Python SDK that ask for 2026-07-28 first, as they do by default, and two that
// open a session at once. Each ends up with a process of its own and sees nobody else's state.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { clients, pause, probing } from '../lib/clients.mjs';
import { counted, filesystem, full, lines, playwright, scratch } from '../lib/servers.mjs';
import { Told } from '../lib/told.mjs';

const OPEN_MS = 60_000;
const CALL_MS = 120_000; // six browsers start at once
const SETTLE_MS = 10_000;

const withRoot = (open) => (url, uri) =>
  open(url, { capabilities: { roots: {} }, answers: { 'roots/list': () => ({ roots: [{ uri }] }) } });
const auto = withRoot(probing);
const kinds = {
  'typescript-auto-1': auto,
  'typescript-auto-2': auto,
  'python-auto-1': Told.open,
  'python-auto-2': Told.open,
  'typescript-session-1': withRoot(clients['TypeScript SDK v1']),
  'typescript-session-2': withRoot(clients['TypeScript SDK v2']),
};

export async function isolation(report) {
  await each(report, 'files', () => filesystem(), files);
  await each(report, 'a counter', () => full('session'), counter);
  for (const name of ['typescript-auto-1', 'python-auto-1']) {
    await report.group(`isolation: ${name} alone`, (check) => alone(check, name));
  }
}

export async function browserIsolation(report) {
  const program = process.env.INTEROP_BROWSER;
  if (!program) throw new Error('INTEROP_BROWSER names no browser');
  const pages = createServer(({ url }, response) => {
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>${url.slice(1)}</title>`);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${pages.address().port}`;
  await each(report, 'a browser', () => playwright(program), (check, crowd) => browsers(check, crowd, origin));
  pages.closeAllConnections();
  pages.close();
}

// All six before the command: the body gets each one's name, client and folder.
async function each(report, what, command, body) {
  await report.group(`isolation: six clients, ${what}`, async (check) => {
    const { folder, remove } = scratch();
    const starts = join(folder, 'starts');
    await behindProxy(check, counted(starts, command()), async (url) => {
      const crowd = [];
      try {
        await check('each opens a session of its own', () => open(url, folder, crowd), OPEN_MS);
        await body(check, crowd);
        await check('each has cost one start', () => assert.equal(lines(starts), crowd.length));
      } finally {
        await Promise.all(crowd.map(({ client }) => client.close().catch(() => {})));
      }
    });
    remove();
  });
}

async function open(url, folder, crowd) {
  const opened = Object.entries(kinds).map(async ([name, open]) => {
    const own = join(folder, name);
    mkdirSync(own);
    writeFileSync(join(own, 'secret.txt'), `secret of ${name}`);
    crowd.push({ name, own, client: await open(url, pathToFileURL(own).href) });
  });
  await Promise.all(opened);
  const sessions = crowd.map(({ client }) => client.sessionId);
  assert.ok(sessions.every((id) => typeof id === 'string'), `${sessions}`);
  assert.equal(new Set(sessions).size, crowd.length);
}

async function files(check, crowd) {
  await check('each has its own root', () => all(crowd, async ({ client, own }) => {
    // The server asks for the roots after the handshake, in its own time.
    const listed = () => client.text('list_allowed_directories');
    for (const end = Date.now() + SETTLE_MS; !(await listed()).includes(own) && Date.now() < end; ) await pause(50);
    assert.equal(await listed(), `Allowed directories:\n${own}`);
  }));
  await check('each reads its own file', () => all(crowd, async ({ client, name, own }) => {
    assert.equal(await client.text('read_text_file', { path: join(own, 'secret.txt') }), `secret of ${name}`);
  }));
  await check("nobody reads another's", () => all(crowd, async ({ client, own }) => {
    for (const other of crowd.filter((one) => one.own !== own)) {
      const said = await client.text('read_text_file', { path: join(other.own, 'secret.txt') });
      assert.match(said, /Access denied/);
    }
  }));
}

async function counter(check, crowd) {
  await check('each counts from one', () => all(crowd, async ({ client }) => {
    for (let i = 1; i <= 10; i++) assert.equal(await client.text('touch'), `version ${i}`);
  }));
  const processes = new Map();
  await check('four calls at once of one client see one process', () => all(crowd, async ({ client, name }) => {
    const calls = [client.text('sleep', { ms: 300 }), ...[1, 2, 3, 4].map(() => client.text('pid'))];
    const [, ...seen] = await Promise.all(calls);
    assert.equal(new Set(seen).size, 1, `${seen}`);
    processes.set(name, seen[0]);
  }));
  await check('no two clients see the same', () => assert.equal(new Set(processes.values()).size, crowd.length));
}

async function browsers(check, crowd, origin) {
  const title = { function: '() => document.title' };
  await check('each opens a page', () => all(crowd, ({ client, name }) =>
    client.text('browser_navigate', { url: `${origin}/${name}` }, { timeout: CALL_MS }),
  ), CALL_MS);
  await check('each sees its own page, four times at once', () => all(crowd, async ({ client, name }) => {
    const seen = await Promise.all([1, 2, 3, 4].map(() => client.text('browser_evaluate', title)));
    for (const one of seen) assert.match(one, new RegExp(`"${name}"`));
  }), CALL_MS);
}

// The first client of a server: the process that was asked for its era becomes the session's.
async function alone(check, name) {
  const { folder, remove } = scratch();
  const starts = join(folder, 'starts');
  await behindProxy(check, counted(starts, full('session')), async (url) => {
    await check('its fallback costs one start', async () => {
      const client = await kinds[name](url, pathToFileURL(folder).href);
      assert.equal(await client.text('touch'), 'version 1');
      assert.equal(lines(starts), 1);
      await client.close();
    });
  });
  remove();
}

const all = (crowd, body) => Promise.all(crowd.map(body));
