// Text of any length, of which as much is shown as a browser lays out at once: a long line takes it many times as long.
import { button } from './dom.js';

/** Most of one part. */
const most = { characters: 20_000, lines: 500 };
/** A line longer than this is not wrapped where it is edited. */
const longLine = new RegExp(`[^\\n]{${most.characters}}`);

/**
 * Shows the first part, and a button for more: each time twice as many.
 * @template Part
 * @param {HTMLElement} node what it had is replaced
 * @param {Iterator<Part>} parts
 * @param {(part: Part) => Node} build
 */
export function showInParts(node, parts, build) {
  let next = parts.next();
  let wanted = 1;
  const more = button('Show more', show, 'small more');
  function show() {
    for (let left = wanted; left > 0 && !next.done; left -= 1) {
      more.before(build(next.value));
      next = parts.next();
    }
    wanted *= 2;
    if (next.done) more.remove();
  }
  node.replaceChildren(more);
  show();
}

/** The parts of a text: they end with a line, except within one that is longer than a part. @param {string} text */
export function* partsOfText(text) {
  for (let from = 0; from < text.length;) {
    const end = endOfPart(text, from);
    yield text.slice(from, end);
    from = end;
  }
}

function endOfPart(text, from) {
  const end = Math.min(from + most.characters, text.length);
  let line = from;
  for (let lines = 0; lines < most.lines; lines += 1) {
    const next = text.indexOf('\n', line) + 1;
    if (next === 0 || next > end) return end === text.length ? end : line > from ? line : betweenCharacters(text, end);
    line = next;
  }
  return line;
}

/** The parts of a list of lines; one that is longer than a part becomes several. @param {Iterable<{ text: string }>} lines */
export function* partsOfLines(lines) {
  let part = [];
  let characters = 0;
  for (const line of lines) {
    for (let from = 0; from === 0 || from < line.text.length;) {
      const end = betweenCharacters(line.text, from + most.characters);
      const text = line.text.slice(from, end);
      if (part.length > 0 && (part.length === most.lines || characters + text.length > most.characters)) {
        yield part;
        part = [];
        characters = 0;
      }
      part.push({ ...line, text });
      characters += text.length;
      from = Math.max(end, 1);
    }
  }
  if (part.length > 0) yield part;
}

/** Not between the halves of a surrogate pair. */
function betweenCharacters(text, end) {
  return text.codePointAt(end - 1) > 0xffff ? end - 1 : end;
}

/** Sets the text of a field that can be edited. @param {HTMLTextAreaElement} field @param {string} text */
export function setField(field, text) {
  field.wrap = longLine.test(text) ? 'off' : 'soft';
  field.value = text;
}
