// The TypeScript SDK's clients, both major versions, against each server.
import { join } from 'node:path';
import { behindProxy } from '../lib/behind.mjs';
import { clients } from '../lib/clients.mjs';
import { everything, filesystem, full, memory, scratch } from '../lib/servers.mjs';
import { fullServer, NEW_CHILD } from './full.mjs';
import { everythingServer, everythingTasks, filesystemServer, memoryServer } from './reference.mjs';

export async function typescript(report) {
  for (const [name, open] of Object.entries(clients)) {
    const { folder, remove } = scratch();
    const withTasks = name.endsWith('v1'); // the v2 client has no tasks of 2025-11-25
    const rows = [
      ['full server', full(), fullServer],
      ['server-everything', everything(), everythingServer],
      ...(withTasks ? [['server-everything, tasks', everything(), everythingTasks]] : []),
      ['server-filesystem', filesystem(folder), (check, open, url) => filesystemServer(check, open, url, folder)],
      ['server-memory', memory(join(folder, 'memory.jsonl')), memoryServer],
    ];
    for (const [server, command, body] of rows) {
      await report.group(`${name}, ${server}`, (check) => behindProxy(check, command, (url) => body(check, open, url)));
    }
    remove();
  }
}

// The session era's clients before a server that speaks only 2026-07-28.
export async function typescriptCrossing(report) {
  for (const [name, open] of Object.entries(clients)) {
    await report.group(`${name}, full server (modern)`, (check) =>
      behindProxy(check, full('modern'), (url) => fullServer(check, open, url, NEW_CHILD)),
    );
  }
}
