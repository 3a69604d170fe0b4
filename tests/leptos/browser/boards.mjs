// Random documents of the client's type `Board`, and what tells one from the next.

/** Numbers from 0 up to `below`, the same ones for the same seed (mulberry32). */
export function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = ['', 'red', 'Grün', '青', 'a/b', '~', '"<b>"', '\u2028'];

function words(number, most) {
  return Array.from({ length: number(most) }, () => WORDS[number(WORDS.length)]);
}

const members = (keys, value) => Object.fromEntries(keys.map((key) => [key, value()]));

function card(number, id) {
  return { id, text: words(number, 4).join(' '), votes: members(words(number, 3), () => number(2) === 1) };
}

/** A whole board, padded by a text of `size` characters. */
export function board(number, size = 200) {
  return {
    title: `${number(100)}`.repeat(size).slice(0, size),
    note: number(2) === 1 ? words(number, 5).join(' ') : null,
    done: number(2) === 1,
    level: number(1000) / 8,
    tags: words(number, 6),
    scores: members(words(number, 6), () => number(2 ** 31) - 2 ** 30),
    cards: Array.from({ length: number(4) }, (_, id) => card(number, id)),
  };
}

/** How a writer may change the board that there is: by a method, a type and a body. */
export function change(number, current) {
  const json = 'application/json';
  const next = board(number);
  switch (number(4)) {
    case 0: return ['PUT', json, next];
    case 1: return ['PUT', json, { ...current, tags: next.tags, cards: [...current.cards, card(number, 9)].slice(-3) }];
    case 2: return ['PATCH', 'application/merge-patch+json', { done: next.done, level: next.level, scores: next.scores }];
    default: return ['PATCH', 'application/json-patch+json', [
      { op: 'test', path: '/done', value: current.done },
      { op: 'add', path: '/tags/-', value: WORDS[number(WORDS.length)] },
      { op: 'copy', from: '/tags/0', path: '/note' },
      { op: 'move', from: '/tags/0', path: '/title' },
    ]];
  }
}
