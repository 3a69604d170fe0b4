import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '../../clients/support/ports.mjs';
import { hasExited, start, stop } from '../../clients/support/process.mjs';
import { until } from '../../clients/support/until.mjs';

const FOLDER = process.env.SSE_BROADCASTER_EXAMPLES
  ?? fileURLToPath(new URL('../../../target/debug/examples', import.meta.url));

/** One of the examples, running on a port and in a directory of its own. */
export class Example {
  #t;
  #name;
  #args;
  log = '';

  /** Starts the one of this name; `args(port)` are what it is told besides where to listen. */
  static async start(t, name, args = () => []) {
    const example = new Example();
    example.#t = t;
    example.#name = name;
    // Before whatever else the test puts off, which may fail.
    t.after(() => example.kill());
    example.directory = await mkdtemp(join(tmpdir(), `${name}-`));
    t.after(() => rm(example.directory, { recursive: true, force: true }));
    // Not port 0, because it has to be found again behind a restart.
    example.port = await freePort();
    example.#args = args(example.port);
    example.url = `http://127.0.0.1:${example.port}`;
    await example.startAgain();
    return example;
  }

  async startAgain() {
    const args = ['--listen', `127.0.0.1:${this.port}`, '--data-dir', this.directory, ...this.#args];
    const child = await start(this.#t, join(FOLDER, this.#name), args);
    this.child = child;
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.log += text;
    });
    await until(() => said.includes(this.url) || hasExited(child), () => `the example's address: ${said}${this.log}`);
    if (hasExited(child)) throw new Error(`the example did not start: ${this.log}`);
  }

  async kill() {
    await stop(this.child, 'SIGKILL');
  }

  /** Asks it to end, and resolves with its exit code. */
  async end() {
    await stop(this.child, 'SIGTERM');
    return this.child.exitCode;
  }
}
