// The official conformance suite against the proxy in front of the full server.
// Its own exit status forgives warnings and whatever it doesn't score; here every
// check counts, except those that expected.json names with a reason, and a name in
// there that no longer fails is an error too.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { behindProxy } from '../lib/behind.mjs';
import { full, node } from '../lib/servers.mjs';
import { withOwnHttp } from './own.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'node_modules', '@modelcontextprotocol', 'conformance', 'dist', 'index.js');
const expected = JSON.parse(readFileSync(new URL('../expected.json', import.meta.url), 'utf8'));
const RUN_MS = 240_000;

// What a revision asks for: how to select it, and how many scenarios that must be,
// so that an empty selection can't pass.
export const revisions = {
  '2025-06-18': { era: 'session', select: ['--suite', 'all', '--spec-version', '2025-06-18'], scenarios: 27 },
  '2025-11-25': {
    era: 'session',
    select: ['--requirements', '2025-11-25'],
    scenarios: 33, // 30 required and 3 that are run without being scored
  },
  '2026-07-28': {
    era: 'modern',
    select: ['--requirements', '2026-07-28'],
    scenarios: 50, // 37 required; 3 unscored; 10 of the tasks extension, which is not offered
    without: /^tasks-/,
  },
};

export async function conformance(report, revision, era = revisions[revision].era) {
  const what = era === revisions[revision].era ? revision : `${revision}, ${era} child`;
  await report.group(`conformance ${what}`, (check) =>
    // A client of 2026-07-28 before a server of the session era has to be let in.
    behindProxy(check, full(era), (url) => suite(check, url, revision, expected[what]), { flags: ['--eras', 'both'] }),
  );
}

async function suite(check, url, revision, known = {}) {
  const { select, scenarios, without } = revisions[revision];
  const results = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const { output } = await run(['server', '--url', url, ...select, '-o', results]);
    const checks = read(results);
    await check(`${scenarios} scenarios are run`, () => {
      if (checks.size !== scenarios) throw new Error(`${checks.size} were run\n${output.slice(-2000)}`);
    });
    await judge(check, checks, without, known);
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

// The same for the modern server over HTTP of its own: the measure for the proxy.
export const baseline = (report) =>
  withOwnHttp((url) =>
    report.group('conformance 2026-07-28, the server without a proxy', (check) => suite(check, url, '2026-07-28')),
  );

async function judge(check, scenarios, without, known) {
  const stale = new Set(Object.keys(known));
  for (const [scenario, checks] of scenarios) {
    if (without?.test(scenario)) {
      check.skip(scenario, 'an extension that the server does not offer');
      continue;
    }
    await check(scenario, () => {
      const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
      const unknown = bad.filter(({ id }) => !stale.delete(`${scenario}:${id}`) && !known[`${scenario}:${id}`]);
      if (checks.length === 0) throw new Error('it made no check');
      if (unknown.length === 0) return;
      throw new Error(unknown.map((one) => `${one.status} ${one.id}: ${one.errorMessage}`).join('\n'));
    });
  }
  for (const name of stale) await check(`expected to fail: ${name}`, () => {
      throw new Error('it passes: take it out of expected.json');
    });
}

// The last result of each scenario, by name.
function read(folder) {
  const found = new Map();
  for (const name of readdirSync(folder).sort()) {
    const scenario = /^server-(.+)-\d{4}-\d{2}-\d{2}T/.exec(name)?.[1];
    if (scenario) found.set(scenario, JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8')));
  }
  return found;
}

function run(args) {
  return new Promise((resolve, fail) => {
    const child = spawn(node, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_MS });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', fail);
    child.on('exit', (code, signal) => resolve({ code, signal, output }));
  });
}
