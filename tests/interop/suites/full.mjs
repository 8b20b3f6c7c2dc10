// A real client against the full server: every feature once, each with the values
// that must come out. What both eras have is exported for both; the rest is the
// session era's.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { CAPABILITIES, losing, pause } from '../lib/clients.mjs';

const picture = /^iVBORw0KGgo/;
export const watched = 'test://watched-resource';

const answers = (elicited) => ({
  'sampling/createMessage': (params) => ({
    role: 'assistant',
    model: 'none',
    stopReason: 'endTurn',
    content: { type: 'text', text: `heard: ${params.messages[0].content.text}` },
  }),
  'elicitation/create': (params) => elicited(params),
  'roots/list': () => ({ roots: [{ uri: 'file:///one', name: 'one' }, { uri: 'file:///two' }] }),
});

// The elicitation's answer is whatever `elicit.next` says then.
export async function opened(open, url, options = {}) {
  const elicit = { next: { action: 'decline' }, asked: [] };
  const reply = (params) => {
    elicit.asked.push(params);
    return typeof elicit.next === 'function' ? elicit.next(params) : elicit.next;
  };
  const client = await open(url, { answers: answers(reply), ...options });
  return { client, elicit };
}

// What a server that speaks only 2026-07-28 sees differently behind the proxy.
export const OLD_CHILD = { version: '2025-11-25', refused: 'the client answered .*no user here' };
export const NEW_CHILD = { version: '2026-07-28', refused: 'action=cancel' };

export async function fullServer(check, open, url, child = OLD_CHILD) {
  const { client, elicit } = await opened(open, url);
  await introduced(check, client, child);
  await common(check, client, elicit);
  await changes(check, client);
  await reports(check, client);
  await conversations(check, client, elicit, child);
  await many(check, client);
  await client.leave();
  await cancelling(check, open, url);
  await sessions(check, open, url);
}

export async function common(check, client, elicit) {
  await tools(check, client);
  await progress(check, client);
  await resources(check, client);
  await prompts(check, client);
  await questions(check, client, elicit);
}

async function introduced(check, client, child) {
  await check('initialize: name, version, instructions and capabilities of the child', () => {
    assert.deepEqual(client.client.getServerVersion(), { name: 'full', version: '1.0.0' });
    assert.match(client.client.getInstructions(), /every feature once/);
    assert.equal(client.version(), '2025-11-25');
    assert.deepEqual(client.client.getServerCapabilities(), {
      completions: {},
      logging: {},
      prompts: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      tools: { listChanged: true },
    });
  });
  await check('the session id is visible ASCII of at least 128 bits', () => {
    assert.match(client.sessionId, /^[\x21-\x7e]{22,}$/);
  });
  await check('the child sees the client: version, name, capabilities', async () => {
    const seen = JSON.parse(await client.text('client'));
    assert.equal(seen.version, child.version);
    assert.deepEqual(seen.clientInfo, { name: 'interop', version: '1.2.3' });
    assert.deepEqual(Object.keys(seen.capabilities).sort(), Object.keys(CAPABILITIES).sort());
  });
  await check('ping', () => client.client.ping());
}

async function tools(check, client) {
  await check('tools/list keeps names, order and schemas', async () => {
    const listed = await client.pages('listTools', 'tools');
    assert.equal(listed[0].name, 'test_simple_text');
    assert.ok(listed.length > 35, `${listed.length} tools`);
    const schema = listed.find((tool) => tool.name === 'json_schema_2020_12_tool').inputSchema;
    assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
    assert.equal(schema.$defs.address.$anchor, 'addressDef');
    assert.deepEqual(schema.else, { required: ['email'] });
  });
  await check('a text comes back as it was', async () => {
    const text = 'Grüße, 世界 \u{1F30D} "quoted" \\ \n\r\t\u0000\u2028 end';
    assert.equal(await client.text('echo', { text }), text);
  });
  await check('structured content', async () => {
    const { structuredContent, content } = await client.call('add', { a: 1.5, b: 2 });
    assert.deepEqual(structuredContent, { sum: 3.5 });
    assert.equal(content[0].text, '3.5');
  });
  await check('picture, sound and resource', async () => {
    const [image] = (await client.call('test_image_content')).content;
    assert.equal(image.mimeType, 'image/png');
    assert.match(image.data, picture);
    const [audio] = (await client.call('test_audio_content')).content;
    assert.equal(audio.type, 'audio');
    const mixed = (await client.call('test_multiple_content_types')).content;
    assert.deepEqual(mixed.map((block) => block.type), ['text', 'image', 'resource']);
    assert.equal(mixed[2].resource.text, '{"test":"data","value":123}');
  });
  await check('a tool that fails, a tool that is not there', async () => {
    const failed = await client.call('test_error_handling');
    assert.equal(failed.isError, true);
    await assert.rejects(client.call('no_such_tool'), { code: -32602 });
  });
}

async function progress(check, client) {
  const step = (n) => Array.from({ length: n }, (_, i) => ({ progress: i + 1, total: n, message: `step ${i + 1}` }));
  const counted = async (n, wait_ms) => {
    const seen = [];
    const text = await client.text('count_to', { n, wait_ms }, { onprogress: (progress) => seen.push(progress) });
    assert.equal(text, `counted to ${n}`);
    assert.deepEqual(seen, step(n));
  };
  await check('progress: every step, in order', () => counted(5, 20));
  await check('progress of two calls at once stays apart', () => Promise.all([counted(9, 15), counted(6, 20)]));
}

export async function reports(check, client) {
  await check('log messages at the level that was set', async () => {
    const logged = () => client.seen('notifications/message').map(({ level, data }) => `${level}: ${data}`);
    await client.client.setLoggingLevel('info');
    await client.call('test_tool_with_logging');
    const three = ['info: Tool execution started', 'info: Tool processing data', 'info: Tool execution completed'];
    assert.deepEqual(logged(), three);
    await client.client.setLoggingLevel('error');
    await client.call('test_tool_with_logging');
    assert.deepEqual(logged(), three);
  });
}

async function resources(check, client) {
  const read = async (uri) => (await client.client.readResource({ uri })).contents[0];
  await check('resources: two pages, templates, text, bytes', async () => {
    const uris = (await client.pages('listResources', 'resources')).map(({ uri }) => uri);
    assert.equal(uris.length, 5);
    assert.equal(uris[4], 'test://page-two');
    const [template] = await client.pages('listResourceTemplates', 'resourceTemplates');
    assert.equal(template.uriTemplate, 'test://template/{id}/data');
    assert.equal((await read('test://static-text')).text, 'This is the content of the static text resource.');
    assert.match((await read('test://static-binary')).blob, picture);
    assert.equal(JSON.parse((await read('test://template/7/data')).text).id, '7');
  });
  await check('a resource that is not there', () =>
    assert.rejects(client.client.readResource({ uri: 'test://none' }), /Resource not found/),
  );
}

export async function changes(check, client) {
  await check('tools/list_changed arrives, and the list has changed', async () => {
    assert.equal(await client.text('test_trigger_tool_change'), 'dynamic tool: true');
    await client.notified('notifications/tools/list_changed');
    assert.equal(await client.text('test_dynamic_tool'), 'here');
  });
  await check('subscribe, change, updated, unsubscribe, silence', async () => {
    const updates = () => client.seen('notifications/resources/updated').length;
    await client.client.subscribeResource({ uri: watched });
    await client.text('touch');
    assert.deepEqual(await client.notified('notifications/resources/updated'), { uri: watched });
    const { contents } = await client.client.readResource({ uri: watched });
    assert.equal(contents[0].text, 'version 1');
    await client.client.unsubscribeResource({ uri: watched });
    await client.text('touch');
    await pause(200);
    assert.equal(updates(), 1);
  });
}

async function prompts(check, client) {
  await check('prompts: list, get, arguments, missing argument', async () => {
    const names = (await client.pages('listPrompts', 'prompts')).map(({ name }) => name);
    assert.ok(names.includes('test_simple_prompt'));
    const got = await client.client.getPrompt({
      name: 'test_prompt_with_arguments',
      arguments: { arg1: 'a', arg2: 'b' },
    });
    assert.equal(got.messages[0].content.text, "Prompt with arguments: arg1='a', arg2='b'");
    const missing = client.client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'a' } });
    await assert.rejects(missing, { code: -32602 });
  });
  await check('completion', async () => {
    const { completion } = await client.client.complete({
      ref: { type: 'ref/prompt', name: 'test_prompt_with_arguments' },
      argument: { name: 'arg1', value: 'par' },
    });
    assert.deepEqual(completion, { values: ['paris', 'park', 'party'], total: 3, hasMore: false });
  });
}

async function questions(check, client, elicit) {
  const accept = (content) => ({ action: 'accept', content });
  await check('sampling', async () => {
    assert.equal(await client.text('test_sampling', { prompt: 'say' }), 'LLM response: heard: say');
  });
  await check('elicitation accepted, declined', async () => {
    elicit.next = accept({ username: 'u', email: 'e@example.com' });
    const said = await client.text('test_elicitation', { message: 'who?' });
    assert.equal(said, 'User response: action=accept, content={"username":"u","email":"e@example.com"}');
    assert.equal(elicit.asked.at(-1).message, 'who?');
    elicit.next = { action: 'decline' };
    assert.match(await client.text('test_elicitation', { message: 'who?' }), /action=decline/);
  });
  await check('roots', async () => {
    const said = await client.text('test_input_required_result_list_roots');
    assert.equal(said, 'roots: file:///one file:///two');
  });
  await check('three questions at once', async () => {
    elicit.next = accept({ name: 'Ann' });
    const said = await client.text('test_input_required_result_multiple_inputs');
    assert.equal(said, 'Ann: heard: Generate a greeting (file:///one file:///two)');
  });
  await check('one question after the other', async () => {
    elicit.next = ({ message }) => accept(/color/.test(message) ? { color: 'red' } : { name: 'Ann' });
    assert.equal(await client.text('test_input_required_result_multi_round'), 'Ann likes red');
  });
}

async function conversations(check, client, elicit, child) {
  await check('progress, then a question, then progress', async () => {
    elicit.next = { action: 'accept', content: { name: 'Ann' } };
    const seen = [];
    const onprogress = ({ progress }) => seen.push(progress);
    assert.equal(await client.text('test_streaming_elicitation', {}, { onprogress }), 'Hello, Ann!');
    assert.deepEqual(seen, [1, 2]);
  });
  await check('an answer that is an error reaches the child', async () => {
    elicit.next = () => {
      throw new Error('no user here');
    };
    assert.match(await client.text('test_elicitation', { message: 'who?' }), new RegExp(child.refused));
  });
}

export async function many(check, client) {
  await check('thirty calls at once, each its own answer', async () => {
    const texts = Array.from({ length: 30 }, (_, i) => `text ${i}`);
    assert.deepEqual(await Promise.all(texts.map((text) => client.text('echo', { text }))), texts);
  });
  await check('8 MiB each way', async () => {
    const bytes = 8 * 1024 * 1024;
    assert.equal((await client.text('big', { bytes })).length, bytes);
    const text = 'é'.repeat(bytes / 2);
    assert.ok((await client.text('echo', { text })) === text, 'the text came back changed');
  });
}

async function cancelling(check, open, url) {
  await check('a cancelled call is cancelled at the child', async () => {
    const { client } = await opened(open, url);
    const abort = new AbortController();
    const call = client.call('sleep', { ms: 60_000 }, { signal: abort.signal });
    setTimeout(() => abort.abort('enough'), 150);
    await assert.rejects(call);
    await until(async () => (await client.text('cancellations')) === '1');
    assert.equal(await client.text('echo', { text: 'still here' }), 'still here');
    await client.leave();
  });
  await check('an answer whose stream is lost is resumed, once', async () => {
    const lossy = losing((body) => String(body).includes('count_to'));
    const { client } = await opened(open, url, { fetch: lossy.fetch });
    const seen = [];
    const said = await client.text('count_to', { n: 12, wait_ms: 60 }, { onprogress: ({ progress }) => seen.push(progress) });
    assert.equal(said, 'counted to 12');
    assert.equal(lossy.state.lost, 1);
    assert.equal(lossy.state.resumed.length, 1);
    assert.deepEqual(seen, Array.from({ length: 12 }, (_, i) => i + 1));
    await client.leave();
  });
}

async function sessions(check, open, url) {
  const post = (session) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': session,
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
  await check('two clients, two children', async () => {
    const [a, b] = [(await opened(open, url)).client, (await opened(open, url)).client];
    assert.notEqual(await a.text('pid'), await b.text('pid'));
    await a.text('touch');
    assert.equal((await b.client.readResource({ uri: watched })).contents[0].text, 'version 0');
    await Promise.all([a.leave(), b.leave()]);
  });
  await check('DELETE ends the session and its child', async () => {
    const { client } = await opened(open, url);
    const pid = await client.text('pid');
    const session = client.sessionId;
    await client.leave();
    assert.equal((await post(session)).status, 404);
    await until(() => !running(pid));
  });
  await check('a session ended elsewhere: the client sees 404 and initialises again', async () => {
    const { client } = await opened(open, url);
    const headers = { 'mcp-session-id': client.sessionId };
    assert.ok((await fetch(url, { method: 'DELETE', headers })).ok);
    await assert.rejects(client.call('pid'), (error) => error.code === 404 || error.status === 404);
    await client.close();
    const again = (await opened(open, url)).client;
    assert.equal(await again.text('echo', { text: 'back' }), 'back');
    await again.leave();
  });
  await check('a child that dies in a call: an error with its status, then another one', async () => {
    const { client } = await opened(open, url);
    await assert.rejects(client.call('exit', { code: 7 }), /7/);
    assert.ok((await client.text('pid')).length > 0);
    await client.close();
  });
}

export async function until(condition, ms = 5000) {
  for (const end = Date.now() + ms; Date.now() < end; await pause(20)) {
    if (await condition()) return;
  }
  throw new Error(`it did not happen within ${ms} ms: ${condition}`);
}

export function running(pid) {
  if (existsSync('/proc/self')) return existsSync(`/proc/${pid}`);
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}
