import { parser } from '../client.js';

const firstRetry = 3_000;

/**
 * What an EventSource does, with headers: it reconnects after its last id when the connection ends, and stops for
 * good after a response that is no stream.
 */
export class FetchSource extends EventTarget {
  readyState = EventSource.CONNECTING;
  #headers;
  #abort = new AbortController();
  #lastId = '';
  #retry = firstRetry;
  #timer;

  /** @param {string} url @param {Record<string, string>} headers */
  constructor(url, headers) {
    super();
    this.url = new URL(url, location.href).href;
    this.#headers = headers;
    this.#open();
  }

  close() {
    this.readyState = EventSource.CLOSED;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  async #open() {
    const resume = this.#lastId ? { 'Last-Event-ID': this.#lastId } : {};
    let response;
    try {
      response = await fetch(this.url, {
        headers: { Accept: 'text/event-stream', ...this.#headers, ...resume }, cache: 'no-store', signal: this.#abort.signal,
      });
      if (response.status !== 200) return this.#fail();
      this.readyState = EventSource.OPEN;
      await this.#read(response.body);
    } catch { /* The connection was cut, or there was none, or an event is too long. */ }
    this.#reconnect();
  }

  #fail() {
    if (this.readyState === EventSource.CLOSED) return;
    this.close();
    this.dispatchEvent(new Event('error'));
  }

  #reconnect() {
    if (this.readyState === EventSource.CLOSED) return;
    this.readyState = EventSource.CONNECTING;
    this.dispatchEvent(new Event('error'));
    if (this.readyState === EventSource.CONNECTING) this.#timer = setTimeout(() => this.#open(), this.#retry);
  }

  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser(this.#lastId, ms => { this.#retry = ms; }, (...block) => this.#dispatch(...block));
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.readyState === EventSource.CLOSED) return;
      parse(value);
    }
  }

  #dispatch(name, data, lastEventId) {
    if (this.readyState === EventSource.CLOSED) return;
    this.#lastId = lastEventId;
    this.dispatchEvent(new MessageEvent(name || 'message', { data, lastEventId }));
  }
}
