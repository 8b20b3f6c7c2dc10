// A full MCP server over stdio, without dependencies: what it offers is written
// once (tools, resources, prompts) and shown through one of two fronts.
//
//   node main.mjs [--era session|modern|dual]
//
// `session` speaks 2024-11-05 … 2025-11-25 (initialize, requests to the client),
// `modern` speaks 2026-07-28 only (per-request metadata, input_required), `dual`
// lets the first message decide, once for the process.
import { Wire } from './wire.mjs';
import { World } from './world.mjs';
import { SessionFront } from './session.mjs';
import { ModernFront, isModern } from './modern.mjs';

const at = process.argv.indexOf('--era');
const era = at < 0 ? 'session' : process.argv[at + 1];
const fronts = { session: SessionFront, modern: ModernFront };
if (era !== 'dual' && !Object.hasOwn(fronts, era)) {
  process.stderr.write(`unknown era: ${era} (session, modern or dual)\n`);
  process.exit(2);
}

const wire = new Wire(process.stdin, process.stdout);
const world = new World();
let front = era === 'dual' ? null : new fronts[era](wire, world);

wire.onMessage = (message) => {
  front ??= new (isModern(message) ? ModernFront : SessionFront)(wire, world);
  front.receive(message);
};
wire.onEnd = () => process.exit(0);
