// Clients that probe for the newest era first, as they do by default: whatever they
// are answered, they must end up served.
import assert from 'node:assert/strict';
import { behindProxy } from '../lib/behind.mjs';
import { probing } from '../lib/clients.mjs';
import { full, memory, scratch } from '../lib/servers.mjs';
import { inspect } from './inspector.mjs';
import { drive, versions } from './python.mjs';
import { opened } from './full.mjs';

export async function probingClients(report) {
  await report.group('clients that probe first', async (check) => {
    await behindProxy(check, full(), async (url) => {
      await check('TypeScript SDK v2, auto', async () => {
        const { client, elicit } = await opened(probing, url);
        assert.equal(await client.text('echo', { text: 'hi' }), 'hi');
        elicit.next = { action: 'accept', content: { name: 'Ann' } };
        assert.equal(await client.text('test_input_required_result_elicitation'), 'Hello, Ann!');
        await client.close();
      });
      await check('Inspector CLI, auto', async () => {
        const { folder, remove } = scratch();
        const args = ['--tool-name', 'echo', '--tool-arg', 'text=hi'];
        const { content } = await inspect(folder, [url, '--protocol-era', 'auto', '--method', 'tools/call', ...args]);
        assert.equal(content[0].text, 'hi');
        remove();
      });
    });
    const { folder, remove } = scratch();
    await behindProxy(check, memory(`${folder}/memory.jsonl`), async (url) => {
      await check('Python SDK 2.x, auto', async () => {
        const { checks, end } = await drive(versions['Python SDK 2.x'], [url, 'memory', folder, 'auto']);
        assert.deepEqual(checks.map(({ ok, error }) => error ?? ok), [true], end);
      });
    });
    remove();
  });
}
