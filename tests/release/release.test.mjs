// scripts/release, in a copy of the files that it reads.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILES = [
  'scripts/release', 'Cargo.toml', 'CHANGELOG.md', 'clients/js/package.json', 'deploy/helm/sse-broadcaster/Chart.yaml',
];
const VERSION = /^version = "(.*)"$/m.exec(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'))[1];

/** A repository with these files and tags; it is removed at the end of the test. */
function repository(t, tags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'release-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const file of FILES) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  const git = (...words) => {
    const identity = ['-c', 'user.name=tests', '-c', 'user.email=tests@example.com'];
    const done = spawnSync('git', [...identity, ...words], { cwd: folder, encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
  };
  git('init', '--quiet');
  git('commit', '--quiet', '--allow-empty', '--message', 'Begin');
  for (const tag of tags) git('tag', tag);
  const change = (file, from, to) => {
    const text = readFileSync(join(folder, file), 'utf8');
    assert.ok(text.search(from) >= 0, `${file} has ${from}`);
    writeFileSync(join(folder, file), text.replace(from, to));
  };
  const section = `## ${VERSION} - 2026-11-29\n\n- What is new.\n\n## 0.0.1 - 2026-01-01`;
  change('CHANGELOG.md', '## Unreleased', `## Unreleased\n\n${section}`);
  const release = (...words) => {
    const done = spawnSync(join(folder, 'scripts/release'), words, { encoding: 'utf8' });
    return { code: done.status, out: done.stdout, error: done.stderr };
  };
  return { change, release };
}

describe('scripts/release check', () => {
  it('accepts a version that every manifest and the changelog have', (t) => {
    const { code, error } = repository(t).release('check', VERSION);
    assert.equal(code, 0, error);
  });

  for (const [file, from, to] of [
    ['Cargo.toml', /^version = .*$/m, 'version = "9.9.9"'],
    ['Cargo.toml', /^(sse-broadcaster-disk = .*version = )"[^"]*"/m, '$1"9.9.9"'],
    ['deploy/helm/sse-broadcaster/Chart.yaml', /^appVersion: .*$/m, 'appVersion: 9.9.9'],
    ['clients/js/package.json', /"version": ".*"/, '"version": "9.9.9"'],
  ]) {
    it(`refuses ${from} of ${file} if it is another version`, (t) => {
      const { change, release } = repository(t);
      change(file, from, to);
      const { code, error } = release('check', VERSION);
      assert.equal(code, 1);
      assert.match(error, /version_differs: .*9\.9\.9.*: set it to /);
      assert.ok(error.includes(file), error);
    });
  }

  it('refuses a version that the changelog does not have', (t) => {
    const { change, release } = repository(t);
    change('CHANGELOG.md', `## ${VERSION}`, '## 9.9.9');
    assert.match(release('check', VERSION).error, /changelog_section_missing: /);
  });

  it('refuses a section of the changelog that is empty', (t) => {
    const { change, release } = repository(t);
    change('CHANGELOG.md', '- What is new.', '');
    assert.match(release('check', VERSION).error, /changelog_section_empty: /);
  });

  it('refuses what is no version', (t) => {
    const { release } = repository(t);
    for (const word of [`v${VERSION}`, '1.2', '1.2.3-rc.1', '']) {
      assert.match(release('check', word).error, /version_malformed: /);
    }
    assert.equal(release('check').code, 2);
  });
});

describe('scripts/release notes', () => {
  it('prints the section of the version alone', (t) => {
    assert.equal(repository(t).release('notes', VERSION).out, '- What is new.\n');
  });
});

describe('scripts/release image-tags', () => {
  for (const [tags, version, expected] of [
    [[], '1.2.3', ['1.2.3', '1.2', 'latest']],
    [['v1.2.2', 'v1.2.3'], '1.2.3', ['1.2.3', '1.2', 'latest']],
    [['v1.9.0', 'v1.10.0'], '1.10.0', ['1.10.0', '1.10', 'latest']],
    [['v1.2.3', 'v1.3.0'], '1.2.3', ['1.2.3', '1.2']],
    [['v1.2.4', 'v1.3.0'], '1.2.3', ['1.2.3']],
    [['v2.0.0-rc.1', 'very-old'], '1.2.3', ['1.2.3', '1.2', 'latest']],
  ]) {
    it(`are ${expected.join(', ')} for ${version} beside ${tags.join(', ') || 'no tag'}`, (t) => {
      assert.deepEqual(repository(t, tags).release('image-tags', version).out.trim().split('\n'), expected);
    });
  }
});
