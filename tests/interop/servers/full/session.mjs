// The session era (2024-11-05 … 2025-11-25): one handshake, then messages both
// ways. What a tool asks goes to the client as a request of our own.
import { METHOD_NOT_FOUND, INVALID_PARAMS, INVALID_REQUEST, RpcError } from './wire.mjs';
import { LEVELS } from './world.mjs';
import { callTool, listTools } from './tools.mjs';
import { complete, getPrompt, listPrompts } from './prompts.mjs';
import { listResources, readResource, templates } from './resources.mjs';
import { IDENTITY, INSTRUCTIONS, NEEDS } from './identity.mjs';

const VERSIONS = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
const NOT_FOUND = -32002; // "resource not found" until 2025-11-25

const CAPABILITIES = {
  completions: {},
  logging: {},
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  tools: { listChanged: true },
};

export class SessionFront {
  #version = null;
  #client = {};
  #level = 0; // everything, until the client says otherwise
  #subscribed = new Set();
  #running = new Map(); // id of the client's request → AbortController
  #asked = new Map(); // id of our request → { resolve, reject }
  #nextAsk = 1;

  constructor(wire, world) {
    this.wire = wire;
    this.world = world;
    world.watch(this);
  }

  receive(message) {
    if (Array.isArray(message)) return this.#batch(message);
    if (typeof message?.method !== 'string') return this.#answered(message);
    if (message.id === undefined) return this.#notified(message);
    this.#request(message).then((reply) => reply && this.wire.send(reply));
  }

  resourceUpdated(uri) {
    if (this.#subscribed.has(uri)) this.wire.notify('notifications/resources/updated', { uri });
  }

  listChanged(kind) {
    this.wire.notify(`notifications/${kind}/list_changed`);
  }

  // Batches exist in 2025-03-26 only; answers come back as one array.
  async #batch(messages) {
    if (this.#version !== '2025-03-26' || messages.length === 0) {
      return this.wire.error(null, new RpcError(INVALID_REQUEST, 'no batches here'));
    }
    const requests = messages.filter((one) => one.method !== undefined && one.id !== undefined);
    messages.filter((one) => !requests.includes(one)).forEach((one) => this.receive(one));
    const replies = (await Promise.all(requests.map((one) => this.#request(one)))).filter(Boolean);
    if (replies.length > 0) this.wire.send(replies);
  }

  // A reply, or nothing if the request was cancelled.
  async #request({ id, method, params = {} }) {
    const cancel = new AbortController();
    this.#running.set(id, cancel);
    try {
      const result = await this.#dispatch(method, params, cancel.signal, id);
      return cancel.signal.aborted ? null : { jsonrpc: '2.0', id, result };
    } catch (error) {
      if (cancel.signal.aborted) return null;
      if (!(error instanceof RpcError)) process.stderr.write(`${error?.stack ?? error}\n`);
      const rpc = error instanceof RpcError ? error : new RpcError(-32603, String(error?.message ?? error));
      return { jsonrpc: '2.0', id, error: rpc };
    } finally {
      this.#running.delete(id);
    }
  }

  #dispatch(method, params, signal) {
    const world = this.world;
    const handlers = {
      initialize: () => this.#initialize(params),
      ping: () => ({}),
      'tools/list': () => listTools(world),
      'tools/call': () => this.#tool(params, signal),
      'resources/list': () => listResources(params.cursor),
      'resources/templates/list': () => ({ resourceTemplates: templates }),
      'resources/read': () => this.#read(params.uri),
      'resources/subscribe': () => this.#subscribe(params.uri, true),
      'resources/unsubscribe': () => this.#subscribe(params.uri, false),
      'prompts/list': () => listPrompts(world),
      'prompts/get': () => getPrompt(params.name, this.#call(params, signal), world),
      'completion/complete': () => complete(params),
      'logging/setLevel': () => this.#setLevel(params.level),
    };
    if (!Object.hasOwn(handlers, method)) throw new RpcError(METHOD_NOT_FOUND, `no such method: ${method}`);
    if (this.#version === null && method !== 'initialize' && method !== 'ping') {
      throw new RpcError(INVALID_REQUEST, 'not initialized');
    }
    return handlers[method]();
  }

  #initialize({ protocolVersion, capabilities = {}, clientInfo }) {
    this.#version = VERSIONS.includes(protocolVersion) ? protocolVersion : VERSIONS.at(-1);
    this.#client = { capabilities, clientInfo };
    return {
      protocolVersion: this.#version,
      capabilities: CAPABILITIES,
      serverInfo: IDENTITY,
      instructions: INSTRUCTIONS,
    };
  }

  // A tool that may not ask what it wants to ask fails as a tool, so that a model
  // can read why.
  async #tool(params, signal) {
    try {
      return await callTool(params.name, this.#call(params, signal), this.world);
    } catch (error) {
      if (!(error instanceof CannotAsk)) throw error;
      return { isError: true, content: [{ type: 'text', text: error.message }] };
    }
  }

  #read(uri) {
    const found = typeof uri === 'string' ? readResource(uri, this.world) : null;
    if (!found) throw new RpcError(NOT_FOUND, 'Resource not found', { uri });
    return found;
  }

  #subscribe(uri, on) {
    if (typeof uri !== 'string') throw new RpcError(INVALID_PARAMS, 'a uri is needed');
    if (on) this.#subscribed.add(uri);
    else this.#subscribed.delete(uri);
    return {};
  }

  #setLevel(level) {
    const at = LEVELS.indexOf(level);
    if (at < 0) throw new RpcError(INVALID_PARAMS, `no such level: ${level}`);
    this.#level = at;
    return {};
  }

  #call(params, signal) {
    const token = params._meta?.progressToken;
    return {
      args: params.arguments ?? {},
      signal,
      client: () => ({ version: this.#version, ...this.#client }),
      declares: (capability) => this.#client.capabilities?.[capability] !== undefined,
      progress: (progress, total, message) => {
        if (token === undefined || signal.aborted) return;
        this.wire.notify('notifications/progress', { progressToken: token, progress, total, message });
      },
      log: (level, data) => {
        if (LEVELS.indexOf(level) < this.#level || signal.aborted) return;
        this.wire.notify('notifications/message', { level, logger: 'full', data });
      },
      ask: (questions) => this.#ask(questions, signal),
    };
  }

  // Sends all questions of a round at once; a cancelled call takes them back.
  async #ask(questions, signal) {
    const asked = Object.entries(questions).map(([key, { method, params }]) => {
      const capability = NEEDS[method];
      if (this.#client.capabilities?.[capability] === undefined) {
        throw new CannotAsk(`the client did not declare ${capability}`);
      }
      return [key, method, params];
    });
    const answers = asked.map(async ([key, method, params]) => {
      const id = `full-${this.#nextAsk++}`;
      const take = () => {
        this.wire.notify('notifications/cancelled', { requestId: id, reason: 'the call was cancelled' });
        this.#asked.get(id)?.reject(signal.reason);
      };
      signal.addEventListener('abort', take);
      try {
        const answer = await new Promise((resolve, reject) => {
          this.#asked.set(id, { resolve, reject });
          this.wire.send({ jsonrpc: '2.0', id, method, params });
        });
        return [key, answer];
      } finally {
        signal.removeEventListener('abort', take);
        this.#asked.delete(id);
      }
    });
    return Object.fromEntries(await Promise.all(answers));
  }

  #answered({ id, result, error }) {
    const waiting = this.#asked.get(id);
    if (!waiting) return process.stderr.write(`an answer to nothing: ${id}\n`);
    if (error) waiting.reject(new CannotAsk(`the client answered ${error.code}: ${error.message}`));
    else waiting.resolve(result);
  }

  #notified({ method, params }) {
    if (method !== 'notifications/cancelled') return;
    const cancel = this.#running.get(params?.requestId);
    if (!cancel) return;
    this.world.cancellations += 1;
    cancel.abort(new Error(params.reason ?? 'cancelled'));
  }
}

class CannotAsk extends Error {}
