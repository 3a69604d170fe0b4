// JSON as text: formatted, coloured, compact. It is never parsed and written again, which would round large numbers.
import { element } from './dom.js';
import { partsOfText, showInParts } from './long-text.js';

const maxPretty = { characters: 100_000, indent: 20 };
const token = /"[^"\\]*(?:\\.[^"\\]*)*"|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g;
const coloured = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|(-?\d[\d.eE+-]*)|\b(true|false|null)\b/g;

/** @param {string} text */
export function isJson(text) {
  if (!/^\s*[{[]/.test(text)) return false;
  try { JSON.parse(text); } catch { return false; }
  return true;
}

/** JSON with a member a line; any other text as it is. @param {string} text */
export function pretty(text) {
  if (text.length > maxPretty.characters || !isJson(text)) return text;
  let depth = 0;
  const line = () => '\n' + '  '.repeat(Math.min(depth, maxPretty.indent));
  return text.replace(token, part => {
    switch (part) {
      case '{': case '[': depth += 1; return part + line();
      case '}': case ']': depth -= 1; return line() + part;
      case ',': return part + line();
      case ':': return ': ';
      default: return part[0] === '"' ? part : part.replace(/\s+/, '');
    }
  });
}

/** Shows the first part of a text in a `pre`: formatted, and with its keys, strings and numbers in colours if it is JSON. */
export function showFormatted(node, text) {
  const build = isJson(text) ? inColours : part => part;
  showInParts(node, partsOfText(pretty(text)), part => element('span', 'part', build(part)));
}

/** @param {string} text JSON, or a part of it */
function inColours(text) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(coloured)) {
    const [all, string, colon, number] = match;
    const span = document.createElement('span');
    span.className = string ? (colon ? 'json-key' : 'json-string') : number ? 'json-number' : 'json-word';
    span.textContent = string ?? all;
    fragment.append(text.slice(end, match.index), span, colon ?? '');
    end = match.index + all.length;
  }
  fragment.append(text.slice(end));
  return fragment;
}

/** The error of JSON that does not parse, with its line; null if it does. @param {string} text */
export function jsonError(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const position = /position (\d+)/.exec(error.message);
    const line = position && !/line \d+/.test(error.message) ? ` (line ${text.slice(0, Number(position[1])).split('\n').length})` : '';
    return `${error.message}${line}`;
  }
}
