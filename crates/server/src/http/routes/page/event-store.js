/**
 * @typedef {{ kind: 'event'|'gap'|'note', sequence: number, event?: import('./filter.js').PublishedEvent, node?: Node[], size: number }} Item
 */

/** What a list holds at most. */
export const limits = { events: 10_000, characters: 32 << 20 };

/** Drops its oldest items beyond the limits. */
class BoundedQueue {
  /** @type {Item[]} */
  items = [];
  #characters = 0;

  /** @returns {Item[]} what was dropped */
  push(item) {
    this.items.push(item);
    this.#characters += item.size;
    const dropped = [];
    while (this.items.length > limits.events || (this.#characters > limits.characters && this.items.length > 1)) {
      const oldest = this.items.shift();
      this.#characters -= oldest.size;
      dropped.push(oldest);
    }
    return dropped;
  }

  take() {
    const { items } = this;
    this.items = [];
    this.#characters = 0;
    return items;
  }
}

/** The events of a list, and those of them that its filter accepts. While it is paused, new ones wait. */
export class EventStore {
  #held = new BoundedQueue();
  #waiting = new BoundedQueue();
  #sequence = 0;
  /** How many of the held items the filter has seen. */
  #scanned = 0;
  #accepts = null;
  /** Accepted items, oldest first. @type {Item[]} */
  shown = [];
  received = 0;
  /** How many of them are events. */
  found = 0;
  dropped = 0;
  paused = false;
  /** The id after which the items begin: a stream that begins there fills the list as it is. */
  base = null;

  get waiting() {
    return this.#waiting.items.length;
  }

  get held() {
    return this.#held.items.length;
  }

  /** @param {Omit<Item, 'sequence'>} item */
  add(item) {
    if (item.kind === 'event') this.received += 1;
    this.#sequence += 1;
    const numbered = { ...item, sequence: this.#sequence };
    const dropped = this.paused ? this.#waiting.push(numbered) : this.#hold(numbered);
    for (const { event } of dropped) {
      this.dropped += 1;
      this.base = event?.id ?? this.base;
    }
  }

  #hold(item) {
    const dropped = this.#held.push(item);
    for (const old of dropped) {
      if (this.#scanned > 0) this.#scanned -= 1;
      if (this.shown[0] !== old) continue;
      this.shown.shift();
      if (old.kind === 'event') this.found -= 1;
    }
    return dropped;
  }

  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
    for (const item of this.#waiting.take()) {
      for (const { event } of this.#hold(item)) {
        this.dropped += 1;
        this.base = event?.id ?? this.base;
      }
    }
  }

  /** @param {((event: import('./filter.js').PublishedEvent) => boolean) | null} accepts */
  filter(accepts) {
    this.#accepts = accepts;
    this.#scanned = this.found = 0;
    this.shown = [];
  }

  get filtered() {
    return this.#accepts !== null;
  }

  /** Passes items through the filter until `deadline`. @returns {boolean} whether it is through */
  scan(deadline) {
    const { items } = this.#held;
    while (this.#scanned < items.length) {
      const item = items[this.#scanned];
      if (this.#passes(item)) {
        this.shown.push(item);
        if (item.kind === 'event') this.found += 1;
      }
      this.#scanned += 1;
      if (performance.now() > deadline) return this.#scanned === items.length;
    }
    return true;
  }

  #passes({ kind, event }) {
    if (!this.#accepts || kind === 'gap') return true;
    return kind === 'event' && this.#accepts(event);
  }

  clear(base) {
    this.#held.take();
    this.#waiting.take();
    this.#scanned = this.found = 0;
    this.shown = [];
    this.received = this.dropped = 0;
    this.base = base;
  }
}
