import { once } from 'node:events';
import http from 'node:http';

import { until } from './until.mjs';

/** Reads an event stream as the WHATWG says, from text that comes in pieces. */
export class Parser {
  #rest = '';
  #block = { event: '', data: [] };
  #id = '';

  constructor(onEvent) {
    this.onEvent = onEvent;
  }

  write(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    if (line === '') {
      const { event, data } = this.#block;
      this.#block = { event: '', data: [] };
      if (data.length > 0) {
        this.onEvent({ event: event || 'message', data: data.join('\n'), id: this.#id });
      }
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#block.event = value;
    if (field === 'data') this.#block.data.push(value);
    if (field === 'id') this.#id = value;
  }
}

/** A subscriber that only looks, over a plain connection, and does not come back. */
export async function subscribe(t, url) {
  const request = http.get(url, { agent: false, headers: { accept: 'text/event-stream' } });
  t.after(() => request.destroy());
  const [response] = await once(request, 'response');
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);

  const events = [];
  const parser = new Parser((event) => events.push(event));
  response.setEncoding('utf8');
  response.on('data', (text) => parser.write(text));
  response.on('error', () => {});
  await until(() => events.some(({ event }) => event === 'connected'), `"connected" from ${url}`);
  return { events };
}

const OURS = new Set(['connected', 'gap', 'position']);

/** What was published, without the events by which the server speaks of the stream itself. */
export const published = (events) => events.filter(({ event }) => !OURS.has(event));

export const named = (events, name) => events.filter(({ event }) => event === name);

/** Event ids as numbers that can be compared. */
export function compareIds(a, b) {
  const [aTime, aSequence] = a.split('-').map(BigInt);
  const [bTime, bSequence] = b.split('-').map(BigInt);
  const difference = aTime - bTime || aSequence - bSequence;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
