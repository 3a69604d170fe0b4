import { setText } from './dom.js';
import { showDetails } from './details.js';
import { buildRow } from './event-rows.js';
import { EventStore, limits } from './event-store.js';
import { compile } from './filter.js';
import { count as inWords } from './format.js';
import { VirtualList } from './virtual-list.js';

/** How much of a frame the filter may take. */
const filterMilliseconds = 8;
/** How long the list stays as it is at least while events arrive: faster than this nobody can read it. */
const pace = 100;

/** A list of events with its filter: the live one and that of history. */
export class EventView {
  store = new EventStore();
  #frame = 0;
  #timer = 0;
  #rendered = 0;
  /** Called before each frame of the list. */
  onFrame = () => {};

  /**
   * @param {HTMLElement} root the pane: its parts are found by their class
   * @param {string} verb what became of its events
   */
  constructor(root, verb) {
    this.root = root;
    this.verb = verb;
    this.parts = Object.fromEntries(['rows', 'list', 'filter', 'count', 'empty', 'dropped', 'newest'].map(
      name => [name, root.querySelector(`.${name}`)],
    ));
    const { rows, list, filter, newest } = this.parts;
    this.rows = new VirtualList(rows, list, { build: buildRow, schedule: () => this.schedule() });
    filter.addEventListener('input', () => {
      this.store.filter(compile(filter.value));
      this.rows.toTop();
      this.schedule();
    });
    list.addEventListener('click', ({ target }) => {
      const row = target.closest('button');
      if (row) showDetails(this.rows.itemAt(row).event, row);
    });
    newest.addEventListener('click', () => {
      this.rows.toTop();
      rows.focus({ preventScroll: true });
      this.schedule();
    });
  }

  /** @param {Omit<import('./event-store.js').Item, 'sequence'>} item */
  add(item) {
    this.store.add(item);
    if (this.#frame || this.#timer) return;
    const wait = this.#rendered + pace - performance.now();
    if (wait <= 0) return this.schedule();
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.schedule();
    }, wait);
  }

  clear(base = null) {
    this.store.clear(base);
    this.rows.toTop();
    this.schedule();
  }

  togglePause() {
    if (this.store.paused) this.store.resume();
    else this.store.pause();
    this.schedule();
  }

  schedule() {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  }

  #render() {
    this.#frame = 0;
    this.#rendered = performance.now();
    this.onFrame();
    if (this.root.parentElement.hidden) return;
    const { store } = this;
    if (!store.scan(performance.now() + filterMilliseconds)) this.schedule();
    this.rows.render(store.shown);
    this.#showCounts();
  }

  #showCounts() {
    const { store } = this;
    const { count, empty, dropped, newest } = this.parts;
    const found = store.filtered ? `, ${inWords(store.found)} found` : '';
    const waiting = store.paused ? `, ${inWords(store.waiting)} waiting` : '';
    setText(count, `${inWords(store.received)} ${this.verb}${found}${waiting}`);
    empty.hidden = store.received > 0;
    dropped.hidden = store.dropped === 0;
    setText(dropped, `Older rows dropped: ${inWords(store.dropped)}. This page keeps the newest ${inWords(limits.events)}.`);
    newest.hidden = !this.rows.isScrolled;
  }
}
