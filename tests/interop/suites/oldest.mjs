// Clients over HTTP+SSE of 2024-11-05, of both TypeScript SDKs and both Python SDKs.
import assert from 'node:assert/strict';
import { behindProxy } from '../lib/behind.mjs';
import { clients, oldestClients } from '../lib/clients.mjs';
import { full } from '../lib/servers.mjs';
import { changes, common, many, opened, reports, running, until } from './full.mjs';
import { driven, versions } from './python.mjs';

// How many checks of Python: 1.x doesn't tell when it gives up, one check less.
const PYTHON = 15;

export async function oldest(report) {
  for (const [name, open] of Object.entries(oldestClients)) {
    await report.group(`${name} over HTTP+SSE, full server`, (check) =>
      behindProxy(check, full(), (url) => fullServer(check, open, oldestAt(url))),
    );
  }
  await report.group('clients of both transports at one address', (check) =>
    behindProxy(check, full(), (url) => fallingBack(check, oldestAt(url))),
  );
  for (const [name, venv] of Object.entries(versions)) {
    const least = PYTHON - (venv === 'venv-1' ? 1 : 0);
    await driven(report, `${name} over HTTP+SSE`, venv, 'oldest', full(), '', 'legacy', least, [], oldestAt);
  }
}

export const oldestAt = (url) => new URL('/sse', url).href;

export async function fullServer(check, open, url) {
  const { client, elicit } = await opened(open, url);
  await check('initialize: name and version of the child', () => {
    assert.deepEqual(client.client.getServerVersion(), { name: 'full', version: '1.0.0' });
  });
  await common(check, client, elicit);
  await changes(check, client);
  await reports(check, client);
  await many(check, client);
  await check('two clients, two children; a child ends with its client', async () => {
    const other = (await opened(open, url)).client;
    const [one, two] = [await client.text('pid'), await other.text('pid')];
    assert.notEqual(one, two);
    await other.close();
    await until(() => !running(two));
    assert.equal(await client.text('pid'), one);
    await client.close();
    await until(() => !running(one));
  });
  await check('a child that dies in a call: an error with its status, then errors, and a new client is served', async () => {
    const { client: last } = await opened(open, url);
    await assert.rejects(last.call('exit', { code: 7 }), /7/);
    await assert.rejects(last.call('pid'), /40[04]/);
    await last.close();
    const { client: next } = await opened(open, url);
    assert.equal(await next.text('echo', { text: 'back' }), 'back');
    await next.close();
  });
}

// The specification's way for a client that does not know the server's transport: POST, and on a
// 4xx GET at the same address.
async function fallingBack(check, url) {
  for (const [name, open] of Object.entries(clients)) {
    await check(`${name}: Streamable HTTP is refused with 405, HTTP+SSE serves`, async () => {
      await assert.rejects(opened(open, url), (error) => /405/.test(`${error.code} ${error.status} ${error.message}`));
      const { client } = await opened(oldestClients[name], url);
      assert.equal(await client.text('echo', { text: 'hi' }), 'hi');
      await client.close();
    });
  }
}
