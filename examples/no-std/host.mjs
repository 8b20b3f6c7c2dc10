// Node.js as the host of the engine in WebAssembly: it has the sockets, the processes and the
// clock, and decides nothing. The module imports nothing.
//
//   node host.mjs ENGINE.wasm PORT COMMAND…
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { constants } from 'node:os';

const [file, port, ...command] = process.argv.slice(2);
const engine = (await WebAssembly.instantiate(readFileSync(file))).instance.exports;
const machine = engine.machine();
const [TICK, SHUTDOWN, LOST, TAKEN, OPENED, OPEN_FAILED, STDOUT, STDIN_TAKEN, STDOUT_CLOSED, EXITED, DELIVERED] =
  Array.from({ length: 11 }, (_, what) => what);
const CONNECTIONS = 512;
const FAREWELL_MS = 1000;

const exchanges = new Map();
const children = new Map();
let draining = false;
let timer;

// ---- Between the host and the module

function put(...pieces) {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  const start = engine.inbox(machine, bytes.length);
  new Uint8Array(engine.memory.buffer, start, bytes.length).set(bytes);
}

// A copy: the module's memory is its own, and may move.
const outbox = () =>
  Buffer.from(new Uint8Array(engine.memory.buffer, engine.outbox(machine), engine.outbox_length(machine)));

function readResponse() {
  const page = outbox();
  let [at, lines] = [0, []];
  for (let end; (end = page.indexOf(10, at)) > at; at = end + 1) lines.push(page.toString('latin1', at, end));
  return { status: Number(lines[0]), fields: lines.slice(1), body: page.subarray(at + 1) };
}

// Tells what happened, then does what is asked for. Nothing in here waits.
function tell(what, number = 0, figure = 0, bytes = []) {
  put(bytes);
  engine.tell(machine, what, number, figure, performance.now());
  carryOut();
}

function carryOut() {
  for (let what; (what = engine.poll(machine)) !== 0; ) outputs[what](engine.number(machine));
  clearTimeout(timer);
  const due = engine.timeout(machine);
  if (due < Infinity) timer = setTimeout(tell, Math.max(0, Math.ceil(due - performance.now())), TICK);
  if (draining && engine.is_idle(machine)) {
    server.close();
    setTimeout(() => process.exit(0), FAREWELL_MS).unref();
  }
}

const outputs = {
  1: open,
  2: (pipe) => {
    const lines = outbox();
    // What a child that closed its input is told is lost; its end tells the engine.
    children.get(pipe)?.stdin.write(lines, () => tell(STDIN_TAKEN, pipe, lines.length));
  },
  3: (pipe) => children.get(pipe)?.stdin.end(),
  4: (pipe) => signal(pipe, 'SIGTERM'),
  5: (pipe) => signal(pipe, 'SIGKILL'),
  6: (exchange) => {
    const { status, fields, body } = readResponse();
    const response = exchanges.get(exchange);
    response?.writeHead(status, [...fields, 'content-length', body.length]);
    response?.end(body);
  },
  7: (exchange) => {
    const { status, fields } = readResponse();
    exchanges.get(exchange)?.writeHead(status, fields).flushHeaders();
  },
  8: (exchange) => {
    const bytes = outbox();
    exchanges.get(exchange)?.write(bytes, (error) => error ?? tell(TAKEN, exchange, bytes.length));
  },
  9: (exchange) => exchanges.get(exchange)?.end(),
  10: (exchange) => exchanges.get(exchange)?.destroy(),
  11: () => console.error(outbox().toString()),
  12: (child) => children.get(child)?.stdout.pause(),
  13: (child) => children.get(child)?.stdout.resume(),
};

// ---- Children, each in a process group of its own

function open(pipe) {
  const lines = outbox().toString().split('\n');
  const env = { ...process.env };
  for (let i = 0; i + 1 < lines.length; i += 2) env[lines[i]] = lines[i + 1];
  const options = { env, stdio: ['pipe', 'pipe', 'inherit'], detached: true };
  const child = spawn(command[0], command.slice(1), options);
  if (child.pid === undefined) {
    child.once('error', (error) => tell(OPEN_FAILED, pipe, 0, error.message));
    return;
  }
  children.set(pipe, child);
  put([]);
  engine.tell(machine, OPENED, pipe, child.pid, performance.now());
  child.stdin.on('error', () => {});
  child.stdout.on('data', (bytes) => tell(STDOUT, pipe, 0, bytes));
  child.stdout.once('end', () => tell(STDOUT_CLOSED, pipe));
  const read = new Promise((resolve) => child.stdout.once('close', resolve));
  child.once('exit', async (code, name) => {
    signal(pipe, 'SIGKILL'); // What is left of its group.
    children.delete(pipe);
    child.stdout.resume();
    // All that it wrote is told first; a process that left the group may hold its pipe open.
    const late = new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref());
    await Promise.race([read, late]);
    tell(EXITED, pipe, name ? -constants.signals[name] : code);
  });
}

function signal(pipe, name) {
  try {
    process.kill(-children.get(pipe)?.pid, name);
  } catch {
    // It is gone.
  }
}

// ---- Connections

// The content, or null if it is too long or the client left before its end.
async function read(request, limit) {
  const pieces = [];
  let length = 0;
  try {
    for await (const piece of request) {
      pieces.push(piece);
      length += piece.length;
      if (length > limit) return null;
    }
  } catch {
    return null;
  }
  return Buffer.concat(pieces);
}

const server = createServer(async (request, response) => {
  const lines = [request.method, request.url.split('?')[0], ...request.rawHeaders].join('\n');
  put(lines);
  const limit = engine.admit(machine);
  if (limit < 0) {
    if (engine.outbox_length(machine) === 0) return response.writeHead(400, { connection: 'close' }).end();
    const { status, fields, body } = readResponse();
    return response.writeHead(status, [...fields, 'connection', 'close']).end(body);
  }
  const exchange = engine.number(machine);
  const body = await read(request, limit);
  if (body === null) {
    engine.withdraw(machine, exchange);
    return response.writeHead(413, { connection: 'close' }).end();
  }
  if (response.destroyed) return engine.withdraw(machine, exchange); // It left just now.
  exchanges.set(exchange, response);
  response.once('close', () => {
    exchanges.delete(exchange);
    tell(response.writableFinished ? DELIVERED : LOST, exchange);
  });
  put(lines, randomBytes(16), body);
  engine.request(machine, exchange, Buffer.byteLength(lines), performance.now());
  carryOut();
});
server.maxConnections = CONNECTIONS;
for (const name of ['SIGTERM', 'SIGINT']) {
  process.on(name, () => {
    draining = true;
    tell(SHUTDOWN);
  });
}
server.listen(Number(port), '127.0.0.1', () => {
  console.error(`listening on http://127.0.0.1:${server.address().port}/mcp`);
});
