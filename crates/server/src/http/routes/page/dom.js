const whole = new Intl.NumberFormat('en');

export const $ = id => document.getElementById(id);
export const code = text => element('code', '', text);
export const plural = (count, noun) => `${whole.format(count)} ${noun}${count === 1 ? '' : 's'}`;

/**
 * @param {string} tag
 * @param {string} className
 * @param {...(Node|string)} children
 */
export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** @param {string} text @param {(event: Event) => void} onClick */
export function button(text, onClick, className = '') {
  const node = element('button', className, text);
  node.type = 'button';
  node.addEventListener('click', onClick);
  return node;
}

/** Sets the text only if it differs: text that is set again is read aloud again, and loses its selection. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Scrolls to what was just filled, if not all of it can be seen. */
export function reveal(node) {
  node.scrollIntoView({ block: 'nearest' });
}

/** Copies, and shows that on the button. */
export async function copyText(text, trigger) {
  const before = trigger.textContent;
  try {
    await navigator.clipboard.writeText(text);
    trigger.textContent = 'Copied';
  } catch {
    // Over plain HTTP to another machine there is no clipboard.
    trigger.textContent = 'No clipboard';
  }
  setTimeout(() => { trigger.textContent = before; }, 2000);
}

// Names are separated by commas or spaces; one that has these is put in double quotes.
export function names(text) {
  const found = text.matchAll(/"((?:[^"\\]|\\.)*)"|([^\s,]+)/g);
  return [...found].map(([, quoted, plain]) => plain ?? quoted.replace(/\\(.)/g, '$1')).filter(Boolean);
}

export function inWords(list) {
  return list.map(name => /[\s,"]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name).join(', ');
}

/** What went wrong, from a response of the server or from none; one without an error is one whose body failed. @param {Response|null} response */
export async function problemInWords(response) {
  if (!response) return [element('strong', '', 'No response.'), ' The server was not reached, or the connection was cut.'];
  if (response.ok) return [element('strong', '', 'Incomplete response.'), ' The connection was cut before its end, or nothing came for ten seconds.'];
  const problem = await response.json().catch(() => ({}));
  const words = [element('strong', '', `${problem.title ?? 'The response is an error'} (${response.status})`)];
  words.push(problem.detail ? `: ${problem.detail}.` : '.');
  if (problem.code) words.push(' Code: ', code(problem.code));
  return words;
}

// What a reload keeps.
export function keep(name, value) {
  try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* Storage is full or blocked. */ }
}

export function forget(name) {
  try { sessionStorage.removeItem(name); } catch { /* Storage is blocked: nothing is kept. */ }
}

export function kept(name) {
  try { return JSON.parse(sessionStorage.getItem(name)); } catch { return null; }
}
