// What the browser client's sources build: the file that the server embeds, and the package for npm.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';

import { CLIENT, EMBEDDED } from './support/client-build.mjs';

const MAX_GZIPPED_BYTES = 5120;
const CONSUMER = `
import { type Gap, signal, type SseEvent, subscribe, type Subscription } from 'sse-broadcaster-client';
import { useSignal as useInReact } from 'sse-broadcaster-client/react';
import { useSignal as useInVue } from 'sse-broadcaster-client/vue';
import { signalStore } from 'sse-broadcaster-client/svelte';

interface Count { value: number }

const subscription: Subscription = subscribe({
  topics: ['news'],
  since: '10m',
  token: async (reason) => (reason === 'expiring' ? 'new' : 'old'),
  identity: '17',
  onEvent: ({ id, event, data }: SseEvent) => console.log(id.length, event?.length, data.length),
  onGap: ({ requested, oldest }: Gap) => console.log(requested, oldest?.length),
  onState: (state, problem) => console.log(state === 'refused' && problem?.code),
});
subscription.close();
// A function that renews a cookie has no token to return.
subscribe({ topics: 'news', onEvent() {}, token: () => {} });
// @ts-expect-error: without topics
subscribe({ onEvent() {} });
// @ts-expect-error: no such state
console.log(subscription.state === 'opened');

const counter = signal<Count>('counter');
const count: number | undefined = counter.value?.value;
// @ts-expect-error: it is changed by the server alone
counter.value = { value: count ?? 0 };
const unsubscribe: () => void = counter.subscribe((document) => console.log(document?.value.toFixed()));
unsubscribe();

export const inReact: number | undefined = useInReact<Count>('counter')?.value;
export const inVue: number | undefined = useInVue<Count>('counter').value?.value;
signalStore<Count>('counter').subscribe((document) => console.log(document?.value));
`;

describe('the browser client', () => {
  let folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sse-broadcaster-package-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('is built anew with the same bytes as the file that the server embeds', () => {
    const { status, stderr } = spawnSync(process.execPath, [`${CLIENT}build.mjs`, '--check'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });

  it(`has at most ${MAX_GZIPPED_BYTES} bytes gzipped, signals and the worker included`, async (t) => {
    const { length } = gzipSync(await readFile(EMBEDDED), { level: 9 });
    t.diagnostic(`${length} bytes`);
    assert.ok(length <= MAX_GZIPPED_BYTES, `${length} bytes`);
  });

  it('is a package that Node.js loads, and whose types strict TypeScript accepts in an application', async () => {
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: CLIENT, encoding: 'utf8' });
    const modules = join(folder, 'node_modules');
    const target = join(modules, 'sse-broadcaster-client');
    await mkdir(target, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, packed.trim().split('\n').at(-1)), '--strip-components=1', '-C', target]);
    const files = execFileSync('find', ['.', '-type', 'f'], { cwd: target, encoding: 'utf8' });
    for (const file of ['LICENSE-MIT', 'LICENSE-APACHE', 'README.md', 'dist/client.js', 'dist/index.d.ts']) assert.ok(files.includes(`./${file}\n`), file);

    for (const name of ['@types', '@vue', 'csstype', 'vue', '@babel']) await symlink(`${CLIENT}node_modules/${name}`, join(modules, name));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(folder, 'consumer.ts'), CONSUMER);
    const tsc = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,dom', '--types', '', 'consumer.ts'];
    const { status, stdout } = spawnSync(`${CLIENT}node_modules/.bin/tsc`, tsc, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stdout);

    const names = 'import * as client from "sse-broadcaster-client"; console.log(Object.keys(client).join());';
    const node = execFileSync(process.execPath, ['--input-type=module', '--eval', names], { cwd: folder, encoding: 'utf8' });
    assert.equal(node.trim(), 'signal,subscribe');
  });
});
