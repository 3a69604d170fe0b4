import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';

import { freePort } from './ports.mjs';
import { hasExited, start, stop } from './process.mjs';
import { request } from './request.mjs';
import { subscribe } from './sse.mjs';
import { until } from './until.mjs';

const BINARY = process.env.SSE_BROADCASTER_BIN
  ?? fileURLToPath(new URL('../../../target/debug/sse-broadcaster', import.meta.url));
const EXTRA_ARGS = (process.env.SSE_BROADCASTER_EXTRA_ARGS ?? '').split(/\s+/).filter(Boolean);

/** The settings that a developer's shell may hold must not reach the server under test. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(SSE_BROADCASTER_|RUST_LOG)/.test(name)),
);

/** Asks whoever is at `url` to publish `event`. */
export function post(url, event, key) {
  const headers = { 'content-type': 'application/json' };
  if (key !== undefined) headers.authorization = `Bearer ${key}`;
  return request(`${url}/events`, { method: 'POST', headers, body: JSON.stringify(event) });
}

export class Server {
  #t;
  #args;
  log = '';

  /** Starts the binary; `key` is what it was told by `--publish-key` in `args`. It can be started again at its address. */
  static async start(t, { listen, args = [], key } = {}) {
    const server = new Server();
    server.#t = t;
    server.#args = key === undefined ? args : [...args, '--publish-key', key];
    server.key = key;
    await server.#run(listen ?? `127.0.0.1:${await freePort()}`);
    t.after(() => assert.doesNotMatch(server.log, /panicked/, 'the server panicked'));
    return server;
  }

  async #run(listen) {
    const child = await start(this.#t, BINARY, ['--listen', listen, ...this.#args, ...EXTRA_ARGS], {
      env: ENVIRONMENT,
    });
    this.child = child;
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text;
      this.log += text;
    });
    child.stdout.resume();
    const line = () => log.match(/listening on https?:\/\/([^ ,\n]+)(?: http:\/\/([^ ,\n]+))?/);
    await until(() => line() ?? hasExited(child), () => `the server's address in its log:\n${log}`);
    assert.ok(line(), `the server did not start:\n${log}`);
    [, this.address] = line();
    this.port = Number(this.address.split(':').at(-1));
    // With an address for operators, that one serves every route without TLS.
    this.adminPort = Number((line()[2] ?? this.address).split(':').at(-1));
    this.url = `http://127.0.0.1:${this.adminPort}`;
  }

  async kill() {
    await stop(this.child, 'SIGKILL');
  }

  /** On the same address, and with the same settings unless `args` has others. */
  async startAgain(args = this.#args) {
    this.#args = args;
    await this.#run(this.address);
  }

  /** Publishes as a backend does, with the key where there is one; resolves with the event's id. */
  async publish(event) {
    const answer = await post(this.url, event, this.key);
    assert.equal(answer.status, 200, `a publish was answered ${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body).id;
  }

  subscribe(query = '') {
    return subscribe(this.#t, `${this.url}/events${query}`);
  }
}
