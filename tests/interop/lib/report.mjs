// Runs checks one after the other, each with a deadline, and counts them.
import { withTimeout } from './proxy.mjs';

const CHECK_MS = 20_000;

export class Report {
  rows = [];

  // A group of checks with one subject; `body` gets the function that runs a check.
  async group(name, body) {
    const row = { name, passed: 0, failures: [], skipped: [], ms: 0 };
    this.rows.push(row);
    const started = performance.now();
    const check = async (what, run, ms = CHECK_MS) => {
      try {
        await withTimeout(Promise.resolve().then(run), ms, what);
        row.passed += 1;
        return true;
      } catch (error) {
        row.failures.push(what);
        console.log(`FAILED  ${name}: ${what}\n        ${describe(error)}`);
        return false;
      }
    };
    check.skip = (what, why) => row.skipped.push(`${what} (${why})`);
    try {
      await body(check);
    } catch (error) {
      row.failures.push('the group itself');
      console.log(`FAILED  ${name}\n        ${describe(error)}`);
    }
    row.ms = performance.now() - started;
    console.log(line(row));
    return row;
  }

  get failed() {
    return this.rows.reduce((sum, row) => sum + row.failures.length, 0);
  }

  print() {
    console.log('\nInteroperability');
    this.rows.forEach((row) => console.log(line(row)));
    const passed = this.rows.reduce((sum, row) => sum + row.passed, 0);
    const skipped = this.rows.flatMap((row) => row.skipped.map((what) => `${row.name}: ${what}`));
    skipped.forEach((what) => console.log(`skipped  ${what}`));
    console.log(`interop: ${passed} passed, ${this.failed} failed, ${skipped.length} skipped`);
  }
}

const line = (row) =>
  `${row.failures.length === 0 ? 'ok    ' : 'FAILED'}  ${row.name.padEnd(58)} ` +
  `${String(row.passed).padStart(3)} passed ${String(row.failures.length).padStart(3)} failed ` +
  `${(row.ms / 1000).toFixed(1).padStart(6)} s`;

// The message whole, where it was thrown, and its cause: of `fetch` it says all.
const describe = (error) => {
  const lines = String(error?.stack ?? error).split('\n');
  const where = lines.findIndex((one) => /^\s+at /.test(one));
  const told = where < 0 ? lines : lines.slice(0, where + 1);
  if (error?.cause) told.push(`caused by ${error.cause}`);
  return told.join('\n        ');
};
