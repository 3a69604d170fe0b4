// Watches both streams with the browser's own EventSource, and shows whatever comes.

const MAX_LOG_LINES = 200;
const MAX_SHOWN_CHARS = 300;
const STATES = ['connecting', 'open', 'closed'];
/** Datastar's, then the broadcaster's own. */
const EVENTS = ['datastar-patch-signals', 'datastar-patch-elements', 'connected', 'gap', 'position'];

const log = document.querySelector('#log');

function write(stream, text) {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  const what = document.createElement('span');
  const short = text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)} …` : text;
  what.textContent = `${stream} ${short}`;
  line.append(time, what);
  log.prepend(line);
  while (log.children.length > MAX_LOG_LINES) log.lastElementChild.remove();
}

/** What the data lines of `datastar-patch-signals` say. */
function signalsOf(data) {
  const lines = data.split('\n').filter((line) => line.startsWith('signals '));
  return JSON.parse(lines.map((line) => line.slice('signals '.length)).join('\n'));
}

class Stream {
  #source;
  #counts = { events: 0, opened: 0 };
  #signals = {};

  constructor(section) {
    this.section = section;
    // The query of this page, `?user=…`, is passed on.
    this.url = section.dataset.url + location.search;
    this.#on('.reconnect', () => this.connect());
    this.#on('.disconnect', () => this.disconnect());
    this.connect();
  }

  connect() {
    this.#source?.close();
    const source = new EventSource(this.url);
    this.#source = source;
    source.onopen = () => {
      this.#count('opened');
      this.#tell('open');
    };
    source.onerror = () => {
      // While it is connecting the browser comes back by itself.
      this.#tell(source.readyState === EventSource.CLOSED ? 'refused: reconnect by hand' : 'cut: coming back');
    };
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#take(event));
    this.#tell('connect');
  }

  disconnect() {
    this.#source.close();
    this.#tell('disconnect');
  }

  #take({ type, data, lastEventId }) {
    this.#count('events');
    this.#show('.last', `${type}, ${new Date().toLocaleTimeString()}`);
    if (lastEventId) this.#show('.position', lastEventId);
    if (type === 'datastar-patch-signals') {
      Object.assign(this.#signals, signalsOf(data));
      this.#show('.signals', JSON.stringify(this.#signals, null, 2));
    }
    write(this.section.dataset.url, `${type}: ${data}`);
  }

  #tell(what) {
    const state = STATES[this.#source.readyState];
    this.section.dataset.state = state;
    this.#show('.state', state);
    write(this.section.dataset.url, what);
  }

  #count(what) {
    this.#counts[what] += 1;
    this.#show(`.${what}`, this.#counts[what]);
  }

  #show(selector, text) {
    this.section.querySelector(selector).textContent = text;
  }

  #on(selector, act) {
    this.section.querySelector(selector).addEventListener('click', act);
  }
}

document.querySelector('#clear').addEventListener('click', () => log.replaceChildren());
for (const section of document.querySelectorAll('.stream')) new Stream(section);
