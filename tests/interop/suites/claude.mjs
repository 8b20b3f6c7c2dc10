// Claude Code before a server of the session era: `claude mcp list` asks for 2026-07-28 first, is
// refused and opens a session. It runs with settings of its own and beside the proxy in a network
// namespace that has nothing but the loopback interface, so that it can reach nobody else.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { counted, full, lines, scratch } from '../lib/servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const program = join(root, 'claude-code', 'node_modules', '.bin', 'claude');
const RUN_MS = 60_000;

const isRoot = process.getuid?.() === 0;
const alone = [
  'unshare',
  ...(isRoot ? [] : ['--user', '--map-root-user']),
  ...['--net', 'python3', join(root, 'python', 'loopback.py')],
];
const beside = (pid) => [
  'nsenter',
  ...(isRoot ? [] : ['--user', '--preserve-credentials']),
  ...['--target', String(pid), '--net'],
];

export async function claude(report) {
  await report.group('Claude Code, full server', async (check) => {
    const missing = lacking();
    if (missing) return check.skip('claude mcp list', missing);
    const { folder, remove } = scratch();
    const starts = join(folder, 'starts');
    const server = counted(starts, full('session'));
    await behindProxy(check, server, (url, proxy) => listed(check, url, proxy, folder, starts), { within: alone });
    remove();
  });
}

function lacking() {
  if (!existsSync(program)) return 'Claude Code could not be installed within a minute';
  const [command, ...args] = [...alone, 'true'];
  if (spawnSync(command, args).status !== 0) return 'no network namespace can be made here';
  return undefined;
}

async function listed(check, url, proxy, folder, starts) {
  const run = (...args) => runIn(folder, [...beside(proxy.process.pid), ...args]);
  const isolated = await check('there is only the loopback interface', async () => {
    const devices = (await run('cat', '/proc/self/net/dev')).split('\n').slice(2, -1);
    assert.deepEqual(devices.map((line) => line.split(':')[0].trim()), ['lo']);
  });
  if (!isolated) return;
  await run(program, 'mcp', 'add', '--scope', 'user', '--transport', 'http', 'proxied', url);
  for (const times of [1, 2]) {
    await check(`listing it, ${times}: connected, in a session and a process of its own`, async () => {
      assert.match(await run(program, 'mcp', 'list'), /proxied: .* Connected/);
      const log = proxy.log.join('\n');
      assert.match(log, new RegExp(`session #${times} opened`));
      assert.match(log, /a 2026-07-28 client of \/mcp was refused/);
      assert.equal(lines(starts), times);
    }, RUN_MS);
  }
}

// What it prints. Nothing of this process's environment is for it.
function runIn(folder, [command, ...args]) {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    CLAUDE_CONFIG_DIR: folder,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  };
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env, timeout: RUN_MS };
    execFile(command, args, options, (error, stdout, stderr) =>
      error ? reject(new Error(`${error.message}\n${stdout}\n${stderr}`)) : resolve(stdout),
    );
  });
}
