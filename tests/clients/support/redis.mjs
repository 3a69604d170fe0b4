import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './ports.mjs';
import { hasExited, start } from './process.mjs';
import { until } from './until.mjs';

const COMPOSE = new URL('../../../compose.yaml', import.meta.url);

/** Runs Redis with the settings of compose.yaml, on a port and in a folder of its own; resolves with its URL. */
export async function startRedis(t) {
  const settings = (await readFile(COMPOSE, 'utf8')).match(/^\s*command: redis-server (.*)$/m)?.[1];
  assert.ok(settings, 'compose.yaml says how its Redis is started');
  const folder = await mkdtemp(join(tmpdir(), 'sse-broadcaster-redis-'));
  const port = await freePort();
  const child = await start(t, 'redis-server', [
    ...settings.split(' ').map((word) => (word === '""' ? '' : word)),
    '--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder,
  ]);
  t.after(() => rm(folder, { recursive: true }));
  let log = '';
  child.stderr.resume();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  await until(() => hasExited(child) || log.includes('Ready to accept connections'), () => `Redis:\n${log}`);
  assert.ok(!hasExited(child), `Redis did not start:\n${log}`);
  return `redis://127.0.0.1:${port}/0`;
}
