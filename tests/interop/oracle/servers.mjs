// The servers of the oracle. Each speaks Streamable HTTP by itself, which is the oracle, and stdio,
// which is what the proxy is put in front of.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { everything, node } from '../lib/servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const installed = join(root, 'node_modules', '@modelcontextprotocol', 'server-everything', 'dist', 'index.js');
const python = (name) => join(root, 'venv-oracle', 'bin', name);

// Calls whose results depend on nothing but their arguments.
const tools = {
  everything: [
    ['echo', { message: 'é\u0000"\\' }],
    ['echo', {}],
    ['get-sum', { a: 2, b: 40 }],
    ['get-sum', { a: 'two', b: null }],
    ['get-structured-content', { location: 'Chicago' }],
    ['get-tiny-image', {}],
    ['get-annotated-message', { messageType: 'error', includeImage: true }],
    ['get-resource-links', { count: 3 }],
    ['get-resource-links', { count: -1 }],
    ['trigger-long-running-operation', { duration: 0.03, steps: 3 }],
  ],
  excel: [
    ['describe_workbook', { path: 'none.xlsx' }],
    ['describe_workbook', { path: '../../etc/passwd' }],
    ['read_range', {}],
    ['read_range', { path: 7 }],
  ],
  search: [
    ['search', {}],
    ['search', { query: 7, max_results: 'many' }],
    ['fetch_content', { url: 7 }],
  ],
};

// `folder`: where a server may keep files.
export const servers = (folder) => {
  mkdirSync(folder, { recursive: true });
  return [
    {
      name: 'server-everything',
      sdk: 'typescript',
      own: (port) => ({ command: [node, installed, 'streamableHttp'], env: { PORT: String(port) } }),
      stdio: everything(),
      tools: tools.everything,
      share: 0.7,
    },
    {
      name: 'excel-mcp-server',
      sdk: 'python',
      own: (port) => ({
        command: [python('excel-mcp-server'), 'streamable-http', '--allow-dir', folder, '--port', String(port)],
      }),
      stdio: [python('excel-mcp-server'), 'stdio', '--allow-dir', folder],
      tools: tools.excel,
      share: 0.15,
    },
    {
      name: 'duckduckgo-mcp-server',
      sdk: 'python',
      own: (port) => ({
        command: [python('duckduckgo-mcp-server'), '--transport', 'streamable-http', '--port', String(port)],
      }),
      stdio: [python('duckduckgo-mcp-server')],
      tools: tools.search,
      share: 0.15,
    },
  ];
};
