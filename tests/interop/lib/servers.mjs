// The stdio servers behind the proxy, each as the command that starts it.
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = (name) => join(root, 'node_modules', '@modelcontextprotocol', name, 'dist', 'index.js');

export const node = process.execPath;

export const full = (era = 'session') => [node, join(root, 'servers', 'full', 'main.mjs'), '--era', era];
export const ownHttp = [node, join(root, 'servers', 'full', 'http.mjs')];
export const everything = () => [node, installed('server-everything'), 'stdio'];
// Without a folder it takes its client's roots.
export const filesystem = (...folders) => [node, installed('server-filesystem'), ...folders];
export const memory = (file) => ['env', `MEMORY_FILE_PATH=${file}`, node, installed('server-memory')];

// With Chromium from this file. Root, as in a container, can't have its sandbox.
export const playwright = (chromium) => [
  node,
  join(root, 'node_modules', '@playwright', 'mcp', 'cli.js'),
  ...['--headless', '--isolated', '--no-sandbox', '--executable-path', chromium],
];

// A command that adds a line to the file at each start.
export const counted = (file, command) => ['sh', '-c', 'echo $$ >>"$0"; exec "$@"', file, ...command];
export const lines = (file) => readFileSync(file, 'utf8').split('\n').length - 1;

// A folder of its own with a known file in it, and how to remove it.
export function scratch() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'interop-')));
  writeFileSync(join(folder, 'hello.txt'), 'hello, file\n');
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
