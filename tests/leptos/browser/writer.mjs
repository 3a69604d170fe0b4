import assert from 'node:assert/strict';

import { request } from '../../clients/support/request.mjs';
import { until } from '../../clients/support/until.mjs';
import { board, change, numbers } from './boards.mjs';

/** One who writes the signals `counter` and `board` of a server at random, as a backend does. */
export class Writer {
  #server;
  #number;
  changes = 0;

  constructor(t, server) {
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.diagnostic(`the random changes are those of the seed ${seed}`);
    this.#server = server;
    this.#number = numbers(seed);
  }

  async begin() {
    await this.write('counter', 'PUT', 'application/json', { value: 0 });
    await this.write('board', 'PUT', 'application/json', board(this.#number));
  }

  async change(times = 1) {
    for (let left = times; left > 0; left -= 1) {
      this.changes += 1;
      await this.write('counter', 'PUT', 'application/json', { value: this.changes });
      await this.write('board', ...change(this.#number, await this.get('board')));
    }
  }

  /** Changes that no buffer on the way to a client holds. */
  async changeMuch(times) {
    for (let left = times; left > 0; left -= 1) {
      await this.write('board', 'PUT', 'application/json', board(this.#number, 200_000));
    }
  }

  /** Goes on changing while `job` is under way, and for ten changes behind it. */
  async changeDuring(job) {
    const more = async () => {
      const seen = this.changes + 10;
      await until(() => this.changes >= seen, 'more changes');
    };
    let going = true;
    const change = async () => {
      while (going) await this.change();
    };
    const suffer = async () => {
      try {
        await job(more);
        await more();
      } finally {
        going = false;
      }
    };
    await Promise.all([suffer(), change()]);
  }

  async get(name) {
    const { status, body } = await request(`${this.#server.url}/signals/${name}`);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  }

  async write(name, method, type, value) {
    await this.#ask(name, { method, headers: { 'content-type': type }, body: JSON.stringify(value) });
  }

  async remove(name) {
    await this.#ask(name, { method: 'DELETE' });
  }

  async #ask(name, what) {
    const { status, body } = await request(`${this.#server.url}/signals/${name}`, what);
    assert.ok(status >= 200 && status < 300, `${what.method} was answered ${status}: ${body}`);
  }

  /** What the server counts of itself. */
  async counted(name) {
    const { body } = await request(`${this.#server.url}/metrics`);
    const [, number] = body.match(new RegExp(`^sse_broadcaster_${name} (\\d+)$`, 'm')) ?? [];
    assert.ok(number, `the server counts no ${name}:\n${body}`);
    return Number(number);
  }
}
