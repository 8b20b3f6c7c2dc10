// The 2026-07-28 era: no handshake and no state of the client. Every request says
// which version it speaks and what its client can do; what a tool asks goes back
// as an `input_required` result, and the tool runs again when the answers come.
import { INVALID_PARAMS, METHOD_NOT_FOUND, RpcError } from './wire.mjs';
import { LEVELS } from './world.mjs';
import { callTool, listTools } from './tools.mjs';
import { complete, getPrompt, listPrompts } from './prompts.mjs';
import { listResources, readResource, templates } from './resources.mjs';
import { IDENTITY, INSTRUCTIONS, NEEDS } from './identity.mjs';

const VERSION = '2026-07-28';
const MISSING_CAPABILITY = -32021;
const UNSUPPORTED_VERSION = -32022;
export const META = 'io.modelcontextprotocol/';

const CAPABILITIES = {
  completions: {},
  logging: {},
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  tools: { listChanged: true },
};

// What a client may keep, and for how long.
const CACHED = { ttlMs: 60_000, cacheScope: 'public' };
const FRESH = { ttlMs: 0, cacheScope: 'private' };

export const isModern = (message) => message?.params?._meta?.[`${META}protocolVersion`] !== undefined;

export class ModernFront {
  #running = new Map(); // id of the request → AbortController
  #listening = new Map(); // id of the listen request → what it wants

  constructor(wire, world) {
    this.wire = wire;
    this.world = world;
    world.watch(this);
  }

  receive(message) {
    if (message?.method === undefined) return; // no responses in this era
    if (message.id === undefined) return this.#notified(message);
    this.#request(message);
  }

  resourceUpdated(uri) {
    this.#publish('notifications/resources/updated', { uri }, (wants) =>
      wants.resourceSubscriptions?.includes(uri),
    );
  }

  listChanged(kind) {
    this.#publish(`notifications/${kind}/list_changed`, {}, (wants) => wants[`${kind}ListChanged`]);
  }

  #publish(method, params, wanted) {
    for (const [id, wants] of this.#listening) {
      if (wanted(wants)) this.wire.notify(method, { ...params, _meta: { [`${META}subscriptionId`]: id } });
    }
  }

  async #request({ id, method, params = {} }) {
    const cancel = new AbortController();
    this.#running.set(id, cancel);
    try {
      const meta = check(method, params);
      const result = await this.#dispatch(method, params, meta, cancel.signal, id);
      if (result && !cancel.signal.aborted) this.wire.result(id, this.#complete(result));
    } catch (error) {
      if (cancel.signal.aborted) return;
      if (error instanceof Asks) return this.wire.result(id, this.#complete(error.result));
      this.wire.error(id, error);
    } finally {
      if (!this.#listening.has(id)) this.#running.delete(id);
    }
  }

  #complete(result) {
    const _meta = { ...result._meta, [`${META}serverInfo`]: IDENTITY };
    return { resultType: 'complete', ...result, _meta };
  }

  #dispatch(method, params, meta, signal, id) {
    const world = this.world;
    const handlers = {
      'server/discover': () => ({
        supportedVersions: [VERSION],
        capabilities: CAPABILITIES,
        instructions: INSTRUCTIONS,
        ...CACHED,
      }),
      'tools/list': () => ({ ...listTools(world), ...FRESH }),
      'tools/call': () => callTool(params.name, this.#call(params, meta, signal), world),
      'resources/list': () => ({ ...listResources(params.cursor), ...CACHED }),
      'resources/templates/list': () => ({ resourceTemplates: templates, ...CACHED }),
      'resources/read': () => this.#read(params.uri),
      'prompts/list': () => ({ ...listPrompts(world), ...FRESH }),
      'prompts/get': () => getPrompt(params.name, this.#call(params, meta, signal), world),
      'completion/complete': () => complete(params),
      'subscriptions/listen': () => this.#listen(id, params),
    };
    if (!Object.hasOwn(handlers, method)) throw new RpcError(METHOD_NOT_FOUND, `no such method: ${method}`);
    return handlers[method]();
  }

  #read(uri) {
    const found = typeof uri === 'string' ? readResource(uri, this.world) : null;
    if (!found) throw new RpcError(INVALID_PARAMS, 'Resource not found', { uri });
    return { ...found, ...(uri === 'test://watched-resource' ? FRESH : CACHED) };
  }

  // Acknowledged first; open until the client cancels it.
  #listen(id, { notifications: wants }) {
    if (typeof wants !== 'object' || wants === null) {
      throw new RpcError(INVALID_PARAMS, 'what to listen to is missing');
    }
    const known = ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged', 'resourceSubscriptions'];
    const honoured = Object.fromEntries(
      known.filter((key) => wants[key] !== undefined && wants[key] !== false).map((key) => [key, wants[key]]),
    );
    this.#listening.set(id, honoured);
    this.wire.notify('notifications/subscriptions/acknowledged', {
      _meta: { [`${META}subscriptionId`]: id },
      notifications: honoured,
    });
    return null;
  }

  #call(params, meta, signal) {
    const token = params._meta?.progressToken;
    return {
      args: params.arguments ?? {},
      signal,
      client: () => ({ version: VERSION, capabilities: meta.capabilities, clientInfo: meta.clientInfo }),
      declares: (capability) => meta.capabilities[capability] !== undefined,
      progress: (progress, total, message) => {
        if (token === undefined || signal.aborted) return;
        this.wire.notify('notifications/progress', { progressToken: token, progress, total, message });
      },
      log: (level, data) => {
        if (meta.level === null || LEVELS.indexOf(level) < meta.level || signal.aborted) return;
        this.wire.notify('notifications/message', { level, logger: 'full', data });
      },
      ask: this.#asker(params, meta),
    };
  }

  // The answers so far are in the sealed state, the newest beside it. A round that
  // lacks one ends the call with the questions that are open.
  #asker(params, { capabilities }) {
    const about = `${params.name}\n${JSON.stringify(params.arguments ?? {})}`;
    const before = params.requestState === undefined ? {} : this.world.seal.open(params.requestState, about);
    const given = 'inputResponses' in params ? params.inputResponses : {};
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw new RpcError(INVALID_PARAMS, 'inputResponses must be an object');
    }
    const answers = { ...before };
    return async (questions) => {
      for (const { method } of Object.values(questions)) {
        const capability = NEEDS[method];
        if (capabilities[capability] !== undefined) continue;
        throw new RpcError(MISSING_CAPABILITY, `the client did not declare ${capability}`, {
          requiredCapabilities: { [capability]: {} },
        });
      }
      for (const key of Object.keys(questions)) {
        if (key in given) answers[key] = answerOf(questions[key].method, given[key]);
      }
      const open = Object.entries(questions).filter(([key]) => !(key in answers));
      if (open.length === 0) return Object.fromEntries(Object.keys(questions).map((key) => [key, answers[key]]));
      throw new Asks(Object.fromEntries(open), this.world.seal.close(answers, about));
    };
  }

  #notified({ method, params }) {
    if (method !== 'notifications/cancelled') return;
    const id = params?.requestId;
    const cancel = this.#running.get(id);
    if (!cancel) return;
    if (!this.#listening.delete(id)) this.world.cancellations += 1;
    this.#running.delete(id);
    cancel.abort(new Error(params.reason ?? 'cancelled'));
  }
}

// What each request must say of itself.
function check(method, params) {
  const meta = params._meta;
  if (method === 'initialize' && meta?.[`${META}protocolVersion`] === undefined) {
    throw new RpcError(UNSUPPORTED_VERSION, `only ${VERSION} is spoken here`, {
      supported: [VERSION],
      requested: params.protocolVersion,
    });
  }
  const version = meta?.[`${META}protocolVersion`];
  const capabilities = meta?.[`${META}clientCapabilities`];
  if (typeof version !== 'string' || typeof capabilities !== 'object' || capabilities === null) {
    throw new RpcError(INVALID_PARAMS, 'params._meta must name the protocol version and the client capabilities');
  }
  if (version !== VERSION) {
    throw new RpcError(UNSUPPORTED_VERSION, 'Unsupported protocol version', {
      supported: [VERSION],
      requested: version,
    });
  }
  const level = meta[`${META}logLevel`];
  if (level !== undefined && !LEVELS.includes(level)) throw new RpcError(INVALID_PARAMS, `no such level: ${level}`);
  return {
    capabilities,
    clientInfo: meta[`${META}clientInfo`],
    level: level === undefined ? null : LEVELS.indexOf(level),
  };
}

function answerOf(method, answer) {
  const right = {
    'elicitation/create': () => ['accept', 'decline', 'cancel'].includes(answer.action),
    'sampling/createMessage': () => typeof answer.content === 'object' && answer.content !== null,
    'roots/list': () => Array.isArray(answer.roots),
  };
  if (typeof answer !== 'object' || answer === null || !right[method]()) {
    throw new RpcError(INVALID_PARAMS, `not an answer to ${method}`);
  }
  return answer;
}

class Asks extends Error {
  constructor(inputRequests, requestState) {
    super('input required');
    this.result = { resultType: 'input_required', inputRequests, requestState };
  }
}
