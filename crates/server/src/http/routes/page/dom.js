export const $ = id => document.getElementById(id);
export const code = text => element('code', '', text);
export const plural = (count, noun) => `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;

export function element(tag, className, ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

// Names are separated by commas or spaces; one that has these is put in double quotes.
export function names(text) {
  const found = text.matchAll(/"((?:[^"\\]|\\.)*)"|([^\s,]+)/g);
  return [...found].map(([, quoted, plain]) => plain ?? quoted.replace(/\\(.)/g, '$1')).filter(Boolean);
}

export function inWords(list) {
  return list.map(name => /[\s,"]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name).join(', ');
}

export async function problemInWords(response) {
  const problem = await response.json().catch(() => ({}));
  const words = [element('strong', '', `${problem.title ?? 'The response is an error'} (${response.status}).`)];
  if (problem.detail) words.push(` ${problem.detail}`);
  if (problem.code) words.push(' Code: ', code(problem.code));
  return words;
}

// What a reload keeps. The key is not part of it.
export function keep(name, value) {
  try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* Storage is full or blocked. */ }
}

export function kept(name) {
  try { return JSON.parse(sessionStorage.getItem(name)); } catch { return null; }
}
