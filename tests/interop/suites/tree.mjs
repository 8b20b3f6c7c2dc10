// A server that starts a browser in a session of its own (playwright with Chromium): whichever way
// its session ends, no process of it is left. INTEROP_BROWSER names a Chromium.
import assert from 'node:assert/strict';
import { clients, pause } from '../lib/clients.mjs';
import { descendants, Proxy, startOf } from '../lib/proxy.mjs';
import { playwright } from '../lib/servers.mjs';

const GONE_MS = 10_000;
const CALL_MS = 60_000;
const PAGE = 'data:text/html,<title>page</title><p>hello';

export async function tree(report) {
  const program = process.env.INTEROP_BROWSER;
  if (!program) throw new Error('INTEROP_BROWSER names no browser');
  await report.group('a server with a browser', async (check) => {
    const proxy = await Proxy.start(playwright(program), { flags: ['--session-keep-alive', '4'] });
    const endings = {
      DELETE: (client) => client.leave(),
      idleness: (client) => client.close(),
      'a crash': (client, server) => process.kill(server, 'SIGKILL') && client.close(),
    };
    for (const [ending, end] of Object.entries(endings)) {
      await check(`after ${ending} nothing of it is left`, () => left(proxy, end), CALL_MS + GONE_MS);
    }
    const client = await browsing(proxy);
    await check('SIGTERM ends the proxy and all of it', async () => assert.equal(await proxy.stop(), null), 45_000);
    await client.close().catch(() => {});
  });
}

// A client whose server has a page open.
async function browsing(proxy) {
  const client = await clients['TypeScript SDK v1'](proxy.url);
  const text = await client.text('browser_navigate', { url: PAGE }, { timeout: CALL_MS });
  assert.match(text, /page/);
  return client;
}

async function left(proxy, end) {
  const client = await browsing(proxy);
  const started = descendants(proxy.process.pid);
  assert.ok(started.length > 3, `a server and a browser: ${started.length} processes`);
  // The server comes first: it is the proxy's own child.
  await end(client, started[0].pid);
  const isThere = ({ pid, start }) => startOf(pid) === start;
  for (const until = performance.now() + GONE_MS; started.some(isThere) && performance.now() < until; ) await pause(50);
  assert.deepEqual(started.filter(isThere), []);
  assert.deepEqual(descendants(proxy.process.pid), []);
}
