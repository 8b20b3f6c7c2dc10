// The MCP Inspector's command line: one process and one session for each command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { everything, filesystem, full, memory, node, scratch } from '../lib/servers.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'node_modules', '@modelcontextprotocol', 'inspector', 'clients', 'launcher', 'build', 'index.js');
const RUN_MS = 30_000;

export async function inspector(report, era = 'legacy') {
  const { folder, remove } = scratch();
  // It keeps settings in the home folder: a folder of ours is one.
  const ask = (url, method, ...args) => inspect(folder, [url, '--protocol-era', era, '--method', method, ...args]);
  // Pinned to 2026-07-28 it has to be let in before servers of the session era.
  const flags = era === 'modern' ? ['--eras', 'both'] : [];
  const rows = [
    ['full server', full(), (check, on) => fullServer(check, on, era === 'legacy' ? [200, 20] : [60, 10])],
    ['server-everything', everything(), everythingServer],
    ['server-filesystem', filesystem(folder), (check, on) => filesystemServer(check, on, folder)],
    ['server-memory', memory(join(folder, 'memory.jsonl')), memoryServer],
  ];
  // A client that probes first speaks like one of the newest revision then: one server shows it.
  for (const [server, command, body] of era === 'auto' ? rows.slice(0, 1) : rows) {
    await report.group(`Inspector CLI, ${era}, ${server}`, (check) =>
      behindProxy(check, command, (url) => body(check, (...args) => ask(url, ...args)), { flags }),
    );
  }
  remove();
}

const tool = (name, ...pairs) => ['--tool-name', name, ...(pairs.length > 0 ? ['--tool-arg', ...pairs] : [])];

// The load: how many calls, and how many at once. Without a session, a client that could
// be asked has a child to itself for each call, and there are only so many.
async function fullServer(check, on, [calls, crowd]) {
  await check('tools/list', async () => {
    const names = (await on('tools/list')).tools.map(({ name }) => name);
    assert.equal(names[0], 'test_simple_text');
    assert.ok(names.includes('json_schema_2020_12_tool'));
  });
  await check('tools/call', async () => {
    const { structuredContent } = await on('tools/call', ...tool('add', 'a=1.5', 'b=2'));
    assert.deepEqual(structuredContent, { sum: 3.5 });
  });
  await check('resources and templates', async () => {
    const { resources } = await on('resources/list');
    assert.ok(resources.some(({ uri }) => uri === 'test://page-two'), 'the second page');
    const { resourceTemplates } = await on('resources/templates/list');
    assert.equal(resourceTemplates[0].uriTemplate, 'test://template/{id}/data');
    const { contents } = await on('resources/read', '--uri', 'test://template/9/data');
    assert.equal(JSON.parse(contents[0].text).id, '9');
  });
  await check('prompts', async () => {
    assert.ok((await on('prompts/list')).prompts.length >= 4);
    const args = ['--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=a', 'arg2=b'];
    const { messages } = await on('prompts/get', ...args);
    assert.equal(messages[0].content.text, "Prompt with arguments: arg1='a', arg2='b'");
  });
  await check(`a load of ${calls} calls, ${crowd} at a time, without an error`, async () => {
    const load = ['--load', '--load-requests', String(calls), '--load-concurrency', String(crowd)];
    const summary = await on('tools/call', ...tool('echo', 'text=x'), ...load);
    assert.deepEqual(outcome(summary), { total: calls, errors: 0 }, JSON.stringify(summary));
  });
}

const outcome = (summary) => ({ total: summary.total ?? summary.requests, errors: summary.errors ?? summary.failed });

async function everythingServer(check, on) {
  await check('tools/list and tools/call', async () => {
    assert.ok((await on('tools/list')).tools.some(({ name }) => name === 'echo'));
    const { content } = await on('tools/call', ...tool('echo', 'message=hello'));
    assert.equal(content[0].text, 'Echo: hello');
  });
  await check('a resource of a template', async () => {
    const { contents } = await on('resources/read', '--uri', 'demo://resource/dynamic/text/1');
    assert.match(contents[0].text, /Resource 1/);
  });
}

async function filesystemServer(check, on, folder) {
  await check('reads a file', async () => {
    const { content } = await on('tools/call', ...tool('read_text_file', `path=${join(folder, 'hello.txt')}`));
    assert.equal(content[0].text, 'hello, file\n');
  });
}

async function memoryServer(check, on) {
  await check('writes a graph in one session and reads it in the next', async () => {
    const entity = { name: 'bridge', entityType: 'thing', observations: ['spans'] };
    await on('tools/call', ...tool('create_entities', `entities=${JSON.stringify([entity])}`));
    const { structuredContent } = await on('tools/call', ...tool('read_graph'));
    assert.deepEqual(structuredContent.entities, [entity]);
  });
}

// The result that one command prints, or an error with all that it said.
export function inspect(home, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, [cli, '--cli', ...args, '--transport', 'http', '--format', 'json', '--quiet'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: home },
      timeout: RUN_MS,
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code !== 0) return reject(new Error(`${args.join(' ')} ended with ${code ?? signal}\n${err}\n${out.slice(0, 500)}`));
      try {
        const said = JSON.parse(out);
        resolve(said.result ?? said);
      } catch {
        reject(new Error(`not JSON: ${out.slice(0, 500)}`));
      }
    });
  });
}
