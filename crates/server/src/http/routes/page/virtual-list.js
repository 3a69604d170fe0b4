/** How far beyond its edges a list is built, so that scrolling shows no blank. */
const overscanPixels = 400;

/**
 * A list of which only the visible part is in the document. Its items stand newest first; the heights of their kinds
 * are the custom properties `--event`, `--note` and `--gap` of the list, in rem.
 */
export class VirtualList {
  /** @type {import('./event-store.js').Item[]} */
  #items = [];
  #offsets = new Float64Array(1);
  /** @type {Map<object, HTMLElement>} */
  #nodes = new Map();
  #itemOf = new WeakMap();
  #heights = {};
  #height = 0;
  /** How far it is scrolled: read from the element, it would cost a layout. */
  #top = 0;
  /** The item at the top edge, and how far it is scrolled beyond it. */
  #anchor = null;
  #active = null;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list
   * @param {{ build: (item: object) => HTMLElement, schedule: () => void }} options
   */
  constructor(scroller, list, { build, schedule }) {
    Object.assign(this, { scroller, list, build });
    scroller.addEventListener('scroll', () => {
      this.#top = scroller.scrollTop;
      this.#setAnchor();
      schedule();
    }, { passive: true });
    new ResizeObserver(() => {
      this.#measure();
      schedule();
    }).observe(scroller);
    list.addEventListener('keydown', event => this.#onKey(event));
    list.addEventListener('focusin', ({ target }) => {
      this.#active = this.#itemOf.get(target.closest('li')) ?? this.#active;
      this.#setAnchor();
    });
  }

  itemAt(node) {
    return this.#itemOf.get(node.closest('li'));
  }

  /** Whether the newest items are out of sight. */
  get isScrolled() {
    return this.#top > 0;
  }

  toTop() {
    this.#anchor = null;
    this.#scrollTo(0);
  }

  #scrollTo(top) {
    if (top === this.#top) return;
    this.scroller.scrollTop = top;
    this.#top = this.scroller.scrollTop;
  }

  #measure() {
    const style = getComputedStyle(this.list);
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    for (const kind of ['event', 'note', 'gap']) this.#heights[kind] = parseFloat(style.getPropertyValue(`--${kind}`)) * rem;
    this.#height = this.scroller.clientHeight;
  }

  #setAnchor() {
    const scrollTop = this.#top;
    const focused = this.list.contains(document.activeElement);
    if (scrollTop <= 0 && !focused) {
      this.#anchor = null;
      return;
    }
    const index = focused && this.#active ? this.#indexOf(this.#active) : this.#indexAt(scrollTop);
    const item = this.#at(index);
    this.#anchor = item ? { item, beyond: scrollTop - this.#offsets[index] } : null;
  }

  #at(index) {
    return this.#items[this.#items.length - 1 - index];
  }

  #indexAt(offset) {
    let low = 0;
    let high = Math.max(0, this.#items.length - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#offsets[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** By the item's sequence, or that of the next older one where it was dropped. */
  #indexOf({ sequence }) {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#items[middle].sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, this.#items.length - 1 - low);
  }

  /** @param {import('./event-store.js').Item[]} items oldest first */
  render(items) {
    if (this.#height === 0) this.#measure();
    this.#items = items;
    this.#layOut();
    const top = this.#anchor ? Math.max(0, this.#offsets[this.#indexOf(this.#anchor.item)] + this.#anchor.beyond) : this.#top;
    this.#build(top);
    this.#scrollTo(top);
  }

  #layOut() {
    const { length } = this.#items;
    if (this.#offsets.length <= length) this.#offsets = new Float64Array(2 * length + 1);
    for (let index = 0; index < length; index += 1) {
      this.#offsets[index + 1] = this.#offsets[index] + this.#heights[this.#at(index).kind];
    }
  }

  #build(top) {
    const { length } = this.#items;
    const first = this.#indexAt(top - overscanPixels);
    const last = Math.min(length, this.#indexAt(top + this.#height + overscanPixels) + 1);
    const wanted = new Set();
    for (let index = first; index < last; index += 1) wanted.add(this.#at(index));
    for (const [item, node] of this.#nodes) {
      if (wanted.has(item)) continue;
      this.#release(node);
      this.#nodes.delete(item);
    }
    let next = this.list.firstChild;
    for (const item of wanted) {
      const node = this.#nodes.get(item) ?? this.#create(item);
      if (node === next) next = next.nextSibling;
      else this.list.insertBefore(node, next);
    }
    this.list.style.paddingTop = `${this.#offsets[first]}px`;
    this.list.style.paddingBottom = `${this.#offsets[length] - this.#offsets[last]}px`;
    this.#setTabStop(wanted);
  }

  #create(item) {
    const node = this.build(item);
    this.#itemOf.set(node, item);
    this.#nodes.set(item, node);
    return node;
  }

  #release(node) {
    // The focus must not fall back to the start of the page.
    if (node.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    node.remove();
  }

  /** The list is one stop of the Tab key; the arrow keys move within it. */
  #setTabStop(wanted) {
    const stop = wanted.has(this.#active) ? this.#active : [...wanted].find(({ kind }) => kind === 'event');
    for (const [item, node] of this.#nodes) {
      const row = node.querySelector('button');
      if (row) row.tabIndex = item === stop ? 0 : -1;
    }
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.#height / this.#heights.event) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !this.#active || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#moveTo(this.#indexOf(this.#active) + step, Math.sign(step));
  }

  #moveTo(target, direction) {
    const end = this.#items.length - 1;
    let index = Math.min(Math.max(target, 0), end);
    while (index >= 0 && index <= end && this.#at(index).kind !== 'event') index += target < 0 ? 1 : target > end ? -1 : direction;
    const item = this.#at(index);
    if (!item) return;
    this.#active = item;
    this.#anchor = null;
    const [from, to] = [this.#offsets[index], this.#offsets[index + 1]];
    const top = from < this.#top ? from : to > this.#top + this.#height ? to - this.#height : this.#top;
    this.#build(top);
    this.#scrollTo(top);
    this.#nodes.get(item).querySelector('button').focus({ preventScroll: true });
  }
}
