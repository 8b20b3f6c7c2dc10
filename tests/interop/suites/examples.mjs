// The programs of examples/, each in the proxy's place: whoever embeds the engine serves the
// same clients. INTEROP_EXAMPLES names a folder with one program for each example; each takes a
// port and the server's command.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { behindProxy } from '../lib/behind.mjs';
import { clients } from '../lib/clients.mjs';
import { full } from '../lib/servers.mjs';
import { fullServer } from './full.mjs';
import { modernServer } from './modern.mjs';

export async function examples(report) {
  const folder = process.env.INTEROP_EXAMPLES;
  if (!folder) throw new Error('INTEROP_EXAMPLES names no folder with programs');
  const names = readdirSync(folder).sort();
  if (names.length === 0) throw new Error(`${folder} is empty`);
  for (const name of names) {
    const options = { example: join(folder, name) };
    for (const [client, open] of Object.entries(clients)) {
      await report.group(`example ${name}: ${client}`, (check) =>
        behindProxy(check, full(), (url) => fullServer(check, open, url), options),
      );
    }
    await report.group(`example ${name}: TypeScript SDK v2, modern`, (check) =>
      behindProxy(check, full('dual'), (url) => modernServer(check, url), options),
    );
  }
}
