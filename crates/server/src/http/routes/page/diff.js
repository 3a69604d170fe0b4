// What differs between two texts, line by line.

const context = 3;
/** Above this many pairs of lines the changed part is shown as removed and added whole. */
const maxPairs = 4_000_000;

/**
 * @typedef {{ kind: 'same'|'removed'|'added'|'skipped', text: string }} Line
 * @param {string} before @param {string} after
 * @returns {Line[]} with three lines around each change
 */
export function diffLines(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const changed = middle(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return shorten([...same(a.slice(0, start)), ...changed, ...same(a.slice(a.length - end))]);
}

const lines = (kind, texts) => texts.map(text => ({ kind, text }));
const same = texts => lines('same', texts);

function middle(a, b) {
  if (a.length * b.length > maxPairs) return [...lines('removed', a), ...lines('added', b)];
  const width = b.length + 1;
  // The length of the longest common subsequence from each pair of lines on.
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j]
        ? lengths[(i + 1) * width + j + 1] + 1
        : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const result = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      result.push({ kind: 'same', text: a[i] });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])) {
      result.push({ kind: 'removed', text: a[i] });
      i += 1;
    } else {
      result.push({ kind: 'added', text: b[j] });
      j += 1;
    }
  }
  return result;
}

function shorten(all) {
  const near = all.map((_, place) => all.slice(Math.max(0, place - context), place + context + 1).some(({ kind }) => kind !== 'same'));
  const result = [];
  for (let place = 0; place < all.length; place += 1) {
    if (near[place]) {
      result.push(all[place]);
      continue;
    }
    const from = place;
    while (place + 1 < all.length && !near[place + 1]) place += 1;
    const count = place - from + 1;
    result.push({ kind: 'skipped', text: `${count} unchanged ${count === 1 ? 'line' : 'lines'}` });
  }
  return result;
}
