// The full server in its modern era over HTTP of its own, with no proxy: what the
// conformance suite says of it is what the proxy's result is measured against.
// It validates as 2026-07-28 asks and answers JSON until there is something to stream.
//
//   node http.mjs [PORT]       prints its URL
import { createServer } from 'node:http';
import { META, ModernFront } from './modern.mjs';
import { INVALID_REQUEST, RpcError } from './wire.mjs';
import { World } from './world.mjs';
import { listTools } from './tools.mjs';

const HEADER_MISMATCH = -32020;
const STATUS = { [-32601]: 404, [HEADER_MISMATCH]: 400, [-32021]: 400, [-32022]: 400 };
const LOCAL = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
const NAMED = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

const world = new World();
const mismatch = (message) => new RpcError(HEADER_MISMATCH, `Header mismatch: ${message}`);

const server = createServer(async (request, response) => {
  const origin = request.headers.origin?.replace(/^https?:\/\//, '');
  if (!LOCAL.test(request.headers.host ?? '') || (origin !== undefined && !LOCAL.test(origin))) {
    return refuse(response, 403, null, new RpcError(INVALID_REQUEST, 'Host or Origin is not local'));
  }
  if (request.method !== 'POST') return response.writeHead(405, { allow: 'POST' }).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let message;
  try {
    message = JSON.parse(Buffer.concat(chunks));
  } catch {
    return refuse(response, 400, null, new RpcError(-32700, 'the body is not JSON'));
  }
  if (message.id === undefined) return response.writeHead(202).end();
  try {
    validate(request.headers, message);
  } catch (error) {
    return refuse(response, 400, message.id, error);
  }
  const front = new ModernFront(new Reply(response, message), world);
  response.on('close', () => {
    front.receive({ method: 'notifications/cancelled', params: { requestId: message.id } });
    world.unwatch(front);
  });
  front.receive(message);
});

// One answer: JSON if it is the first thing to say, else the end of a stream.
class Reply {
  constructor(response, message) {
    this.response = response;
    const meta = message.params?._meta;
    this.complete = ['protocolVersion', 'clientCapabilities'].every((key) => meta?.[META + key] !== undefined);
  }

  notify(method, params) {
    this.#event({ jsonrpc: '2.0', method, params });
  }

  result(id, result) {
    this.#last({ jsonrpc: '2.0', id, result }, 200);
  }

  error(id, error) {
    const rpc = error instanceof RpcError ? error : new RpcError(-32603, String(error));
    const malformed = rpc.code === -32602 && !this.complete;
    this.#last({ jsonrpc: '2.0', id, error: rpc }, malformed ? 400 : (STATUS[rpc.code] ?? 200));
  }

  #last(message, status) {
    if (this.response.headersSent) {
      this.#event(message);
      return this.response.end();
    }
    this.response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(message));
  }

  #event(message) {
    if (!this.response.headersSent) {
      this.response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      });
    }
    this.response.write(`data: ${JSON.stringify(message)}\n\n`);
  }
}

function refuse(response, status, id, error) {
  const body = JSON.stringify({ jsonrpc: '2.0', id, error });
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

// Headers say what the body says, or the request is refused.
function validate(headers, { method, params }) {
  const version = params?._meta?.[`${META}protocolVersion`];
  if (version !== undefined && headers['mcp-protocol-version'] !== version) {
    throw mismatch('MCP-Protocol-Version is not the version of the body');
  }
  if (version === undefined && headers['mcp-protocol-version'] === undefined) {
    throw mismatch('MCP-Protocol-Version is missing');
  }
  if (headers['mcp-method'] !== method) throw mismatch('Mcp-Method is not the method of the body');
  const named = NAMED[method];
  if (named && decoded(headers['mcp-name']) !== params?.[named]) {
    throw mismatch(`Mcp-Name is not the ${named} of the body`);
  }
  if (method === 'tools/call') mirrored(headers, params);
}

function mirrored(headers, params) {
  const tool = listTools(world).tools.find(({ name }) => name === params?.name);
  for (const [property, schema] of Object.entries(tool?.inputSchema.properties ?? {})) {
    const name = schema['x-mcp-header'];
    if (name === undefined) continue;
    const value = params.arguments?.[property] ?? undefined;
    const header = decoded(headers[`mcp-param-${name.toLowerCase()}`]);
    const same = schema.type === 'integer' && header !== undefined ? Number(header) === value : header === asText(value);
    if (!same) throw mismatch(`Mcp-Param-${name} is not the argument ${property}`);
  }
}

const asText = (value) => (value === undefined ? undefined : String(value));

// A header's text: UTF-8 in Base64 where it is marked so.
function decoded(header) {
  if (!header?.startsWith('=?base64?') || !header.endsWith('?=')) return header;
  const base64 = header.slice(9, -2);
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw mismatch('a Base64 value is malformed');
  return bytes.toString('utf8');
}

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}/mcp\n`);
});
process.on('SIGTERM', () => process.exit(0));
