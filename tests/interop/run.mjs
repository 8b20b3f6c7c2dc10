// The suites by name, all of them by default:  node run.mjs [NAME…]
import { Report } from './lib/report.mjs';
import { applications } from './suites/applications.mjs';
import { browser } from './suites/browser.mjs';
import { claude } from './suites/claude.mjs';
import { baseline, conformance } from './suites/conformance.mjs';
import { doors } from './suites/doors.mjs';
import { examples } from './suites/examples.mjs';
import { fronts } from './suites/fronts.mjs';
import { inspector } from './suites/inspector.mjs';
import { browserIsolation, isolation } from './suites/isolation.mjs';
import { modernBaseline, modernClients } from './suites/modern.mjs';
import { nodes } from './suites/nodes.mjs';
import { oracle } from './suites/oracle.mjs';
import { outlive } from './suites/outlive.mjs';
import { probingClients } from './suites/probing.mjs';
import { oldest } from './suites/oldest.mjs';
import { modernPython, python } from './suites/python.mjs';
import { tree } from './suites/tree.mjs';
import { typescript, typescriptCrossing } from './suites/typescript.mjs';
import { workflows } from './suites/workflows.mjs';

const suites = {
  'conformance-2025-06-18': (report) => conformance(report, '2025-06-18'),
  'conformance-2025-11-25': (report) => conformance(report, '2025-11-25'),
  'conformance-2026-07-28': (report) => conformance(report, '2026-07-28'),
  typescript,
  python,
  inspector: (report) => inspector(report),
  modern: async (report) => {
    await modernClients(report);
    await modernPython(report);
    await inspector(report, 'modern');
  },
  probing: async (report) => {
    await probingClients(report);
    await inspector(report, 'auto');
  },
  oldest,
  isolation,
  outlive,
  oracle,
  applications,
  claude,
  // Clients of one era before a server of the other.
  crossings: async (report) => {
    await conformance(report, '2025-06-18', 'modern');
    await conformance(report, '2025-11-25', 'modern');
    await conformance(report, '2026-07-28', 'session');
    await typescriptCrossing(report);
  },
};
// Only when named: what tests/examples/run, tests/contrib/run and tests/browser/run prepare, and
// the same checks without a proxy, to know that they are right.
const onDemand = {
  browser,
  'browser-isolation': browserIsolation,
  doors,
  examples,
  fronts,
  nodes,
  tree,
  workflows,
  baseline: async (report) => {
    await baseline(report);
    await modernBaseline(report);
  },
};

const asked = process.argv.slice(2);
const all = { ...suites, ...onDemand };
const unknown = asked.filter((name) => !Object.hasOwn(all, name));
if (unknown.length > 0) {
  console.error(`no such suite: ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}`);
  process.exit(2);
}

const report = new Report();
for (const name of asked.length > 0 ? asked : Object.keys(suites)) await all[name](report);
report.print();
process.exit(report.failed === 0 ? 0 : 1);
