// Real clients against the reference servers that people run: everything,
// filesystem and memory.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CAPABILITIES, pause } from '../lib/clients.mjs';

const form = { ...CAPABILITIES, elicitation: { form: {} } };
const roots = (...paths) => ({ roots: paths.map((path) => ({ uri: pathToFileURL(path).href, name: path })) });

const dynamic = (kind, id) => `demo://resource/dynamic/${kind}/${id}`;

export async function everythingServer(check, open, url) {
  const answers = {
    'sampling/createMessage': ({ messages }) => ({
      role: 'assistant',
      model: 'model-of-the-test',
      content: { type: 'text', text: `heard ${messages[0].content.text}` },
    }),
    'elicitation/create': ({ requestedSchema }) => {
      assert.deepEqual(requestedSchema.required, ['name']);
      return { action: 'accept', content: { name: 'Ann', integer: 7, number: 2.5, check: true } };
    },
    'roots/list': () => roots('/of/the/test'),
  };
  const client = await open(url, { capabilities: form, answers });
  await everythingTools(check, client);
  await everythingContent(check, client);
  await everythingAsks(check, client);
  await check('the session ends', () => client.leave());
}

async function everythingTools(check, client) {
  await check('the child learned the capabilities: its conditional tools are there', async () => {
    const names = (await client.pages('listTools', 'tools')).map(({ name }) => name);
    const some = ['echo', 'get-sum', 'get-roots-list', 'trigger-elicitation-request', 'trigger-sampling-request'];
    for (const name of some) assert.ok(names.includes(name), `${name} is not among ${names}`);
  });
  await check('echo, sum, structured content, picture', async () => {
    assert.equal(await client.text('echo', { message: 'hé' }), 'Echo: hé');
    assert.match(await client.text('get-sum', { a: 2, b: 40 }), /42/);
    const weather = await client.call('get-structured-content', { location: 'New York' });
    assert.deepEqual(JSON.parse(weather.content[0].text), weather.structuredContent);
    const image = (await client.call('get-tiny-image')).content.find(({ type }) => type === 'image');
    assert.equal(image.mimeType, 'image/png');
  });
  await check('resource links, annotations', async () => {
    const links = (await client.call('get-resource-links', { count: 4 })).content;
    assert.equal(links.filter(({ type }) => type === 'resource_link').length, 4);
    const [noted] = (await client.call('get-annotated-message', { messageType: 'error' })).content;
    assert.deepEqual(noted.annotations, { priority: 1, audience: ['user', 'assistant'] });
  });
  await check('a long operation reports each step', async () => {
    const seen = [];
    const onprogress = ({ progress, total }) => seen.push(`${progress}/${total}`);
    await client.call('trigger-long-running-operation', { duration: 0.5, steps: 4 }, { onprogress });
    assert.deepEqual(seen, ['1/4', '2/4', '3/4', '4/4']);
  });
  await check('a call with arguments of the wrong type fails', async () => {
    const failed = await client.call('get-sum', { a: 'two', b: 2 }).catch((error) => error);
    assert.ok(failed.isError === true || failed.code === -32602, JSON.stringify(failed));
  });
}

async function everythingContent(check, client) {
  await check('resources: listed, read from templates, subscribed, updated', async () => {
    const uri = dynamic('text', 3);
    const templates = await client.pages('listResourceTemplates', 'resourceTemplates');
    assert.ok(templates.some(({ uriTemplate }) => uriTemplate.startsWith('demo://resource/dynamic/text/')));
    const [{ text }] = (await client.client.readResource({ uri })).contents;
    assert.match(text, /Resource 3/);
    const [{ blob }] = (await client.client.readResource({ uri: dynamic('blob', 3) })).contents;
    assert.match(Buffer.from(blob, 'base64').toString(), /Resource 3/);
    await client.client.subscribeResource({ uri });
    await client.call('toggle-subscriber-updates');
    assert.deepEqual(await client.notified('notifications/resources/updated'), { uri });
    await client.call('toggle-subscriber-updates');
    await client.client.unsubscribeResource({ uri });
  });
  await check('prompts and completions that depend on each other', async () => {
    const { messages } = await client.client.getPrompt({ name: 'args-prompt', arguments: { city: 'Rome' } });
    assert.match(messages[0].content.text, /Rome/);
    const ref = { type: 'ref/prompt', name: 'completable-prompt' };
    const first = await client.client.complete({ ref, argument: { name: 'department', value: 'Eng' } });
    assert.deepEqual(first.completion.values, ['Engineering']);
    const second = await client.client.complete({
      ref,
      argument: { name: 'name', value: 'A' },
      context: { arguments: { department: 'Engineering' } },
    });
    assert.deepEqual(second.completion.values, ['Alice']);
  });
  await check('log messages that belong to no call', async () => {
    await client.client.setLoggingLevel('debug');
    await client.call('toggle-simulated-logging');
    const { level, data } = await client.notified('notifications/message');
    assert.ok(level && data, 'a level and a text');
    await client.call('toggle-simulated-logging');
  });
}

async function everythingAsks(check, client) {
  await check('sampling', async () => {
    const said = await client.text('trigger-sampling-request', { prompt: 'hello', maxTokens: 7 });
    assert.match(said, /heard Resource trigger-sampling-request context: hello/);
    assert.match(said, /model-of-the-test/);
  });
  await check('elicitation', async () => {
    const said = await client.text('trigger-elicitation-request');
    assert.match(said, /- Name: Ann\n[^]*- Favorite Integer: 7\n- Favorite Number: 2.5/);
  });
  await check('roots, asked outside of any call', async () => {
    assert.match(await client.text('get-roots-list'), /URI: file:\/\/\/of\/the\/test/);
  });
}

// Tasks of 2025-11-25, where the client has them: methods that a bridge only passes.
export async function everythingTasks(check, open, url) {
  const client = await open(url);
  await check('a task: created, polled, its result fetched', async () => {
    const stream = client.client.experimental.tasks.callToolStream(
      { name: 'simulate-research-query', arguments: { topic: 'bridges' } },
      undefined,
      { task: { ttl: 60_000 } },
    );
    const kinds = new Set();
    let last;
    for await (const message of stream) {
      kinds.add(message.type);
      last = message;
    }
    assert.ok(kinds.has('taskCreated'), [...kinds].join(' '));
    assert.equal(last.type, 'result');
    assert.match(last.result.content[0].text, /bridges/);
  });
  await client.leave();
}

export async function filesystemServer(check, open, url, folder) {
  const plain = await open(url, { capabilities: {} });
  const path = join(folder, 'new.txt');
  await check('reads, writes, lists', async () => {
    assert.match(await plain.text('list_directory', { path: folder }), /\[FILE\] hello\.txt/);
    assert.equal(await plain.text('read_text_file', { path: join(folder, 'hello.txt') }), 'hello, file\n');
    const content = 'Zeile\n\u{1F4C4}\n'.repeat(1000);
    await plain.call('write_file', { path, content });
    assert.equal(readFileSync(path, 'utf8'), content);
    assert.equal(await plain.text('read_text_file', { path }), content);
  });
  await check('edits, and shows the difference', async () => {
    writeFileSync(path, 'one\ntwo\n');
    const edits = [{ oldText: 'two', newText: 'three' }];
    assert.match(await plain.text('edit_file', { path, edits }), /\+three/);
    assert.equal(readFileSync(path, 'utf8'), 'one\nthree\n');
  });
  await check('refuses what is outside', async () => {
    const refused = await plain.call('read_text_file', { path: '/etc/passwd' });
    assert.equal(refused.isError, true);
    assert.match(refused.content[0].text, /denied/i);
  });
  await plain.leave();
  await check('the roots of the client replace the folders it was started with', async () => {
    const inside = join(folder, 'inside');
    const client = await open(url, { answers: { 'roots/list': () => roots(folder, inside) } });
    let allowed = '';
    for (let i = 0; i < 100 && !allowed.includes(folder); i++) {
      await pause(20);
      allowed = await client.text('list_allowed_directories');
    }
    assert.ok(allowed.includes(folder), allowed);
    await client.leave();
  });
}

export async function memoryServer(check, open, url) {
  const client = await open(url, { capabilities: {} });
  await check('a graph: written, read, searched, kept for the next session', async () => {
    const entities = [
      { name: 'bridge', entityType: 'thing', observations: ['carries messages'] },
      { name: 'river', entityType: 'thing', observations: [] },
    ];
    await client.call('create_entities', { entities });
    await client.call('create_relations', { relations: [{ from: 'bridge', to: 'river', relationType: 'crosses' }] });
    const graph = JSON.parse((await client.call('read_graph')).content[0].text);
    assert.deepEqual(graph.entities, entities);
    assert.deepEqual(graph.relations, [{ from: 'bridge', to: 'river', relationType: 'crosses' }]);
    await client.leave();
    const next = await open(url, { capabilities: {} });
    const found = (await next.call('search_nodes', { query: 'carries' })).structuredContent;
    assert.deepEqual(found.entities, [entities[0]]);
    await next.leave();
  });
}
