/** Calls a function again and again while it is wanted and the tab is visible, one call at a time. */
export class Poller {
  #timer = 0;
  #wanted = false;
  #abort = null;

  /** @param {(signal: AbortSignal) => Promise<void>} call @param {number} seconds from the end of one to the next */
  constructor(call, seconds) {
    this.call = call;
    this.seconds = seconds;
    document.addEventListener('visibilitychange', () => {
      if (this.#wanted && document.hidden) this.#halt();
      else if (this.#wanted) this.now();
    });
  }

  stop() {
    this.#wanted = false;
    this.#halt();
  }

  #halt() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  /** Calls at once, also in place of a call that is under way, and goes on from there. */
  async now() {
    this.#wanted = true;
    this.#halt();
    const abort = this.#abort = new AbortController();
    try {
      await this.call(abort.signal);
    } catch (error) {
      // Reported as any error of the page is. The next call may succeed.
      reportError(error);
    }
    if (this.#abort === abort && !document.hidden) this.#timer = setTimeout(() => this.now(), this.seconds * 1000);
  }
}
