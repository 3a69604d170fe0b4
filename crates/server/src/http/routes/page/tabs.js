// The views of the page: each is a section with the id `view-NAME`, shown at `#/NAME`.
import { $ } from './dom.js';

/** @type {Map<string, { show?: (parameters: URLSearchParams) => void, hide?: () => void }>} */
const views = new Map();
const first = 'events';
let current = null;

export function addView(name, handlers = {}) {
  views.set(name, handlers);
}

/** Goes to a view. @param {string} name @param {Record<string, string>} [parameters] */
export function goTo(name, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#/${name}${query && `?${query}`}`;
  if (location.hash === hash) route();
  else location.hash = hash;
}

/** Shows the view that the address names. */
export function route() {
  const [, name, query] = /^#\/([a-z]+)(?:\?(.*))?$/.exec(location.hash) ?? [];
  const chosen = views.has(name) ? name : first;
  if (current !== chosen) leave();
  current = chosen;
  for (const section of document.querySelectorAll('.view')) section.hidden = section.id !== `view-${chosen}`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#/${chosen}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const title = $(`view-${chosen}`).querySelector('h2').textContent;
  document.title = chosen === first ? 'sse-broadcaster' : `${title} – sse-broadcaster`;
  views.get(chosen).show?.(new URLSearchParams(query));
}

function leave() {
  views.get(current)?.hide?.();
  current = null;
}

addEventListener('hashchange', route);
