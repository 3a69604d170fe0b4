// The parts of the browser client alone: what it reads of a stream, and what patches do to a document.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { load } from './support/client-build.mjs';

const { parser } = await load('parser.ts');
const { applyPatch } = await load('patch.ts');
const { compareIds, createSub } = await load('sub.ts');

function read(...pieces) {
  const blocks = [];
  const push = parser('first', (ms) => blocks.push(ms), (...block) => blocks.push(block));
  pieces.filter(Boolean).forEach(push);
  return blocks;
}

describe('the parser of the browser client', () => {
  const STREAM = 'retry: 1500\nretry: 1x\nretry:\n: ping\n\ndata: a\nid: 1-1\n\nevent: gap\rdata\rdata:b\rdata:  c: d\rid: 2-\0\r\r'
    + 'id: 3-1\r\n\r\nevent: alone\n\ndata: \u2028\u0085é𝄞\r\nid\r\n\r\ndata: not ended\n';
  const BLOCKS = [
    1500, ['', 'a', '1-1'], ['gap', '\nb\n c: d', '1-1'], ['', '\u2028\u0085é𝄞', ''],
  ];

  it('reads CR, LF and CRLF, several lines of data, ids with NUL and without a value, and a retry of digits', () => {
    assert.deepEqual(read(STREAM), BLOCKS);
  });

  it('reads the same wherever the text is split', () => {
    for (let at = 0; at <= STREAM.length; at++) assert.deepEqual(read(STREAM.slice(0, at), STREAM.slice(at)), BLOCKS, `split at ${at}`);
    assert.deepEqual(read(...STREAM), BLOCKS);
  });

  it('keeps the last event id that it began with until the stream has another', () => {
    assert.deepEqual(read('data: a\n\n'), [['', 'a', 'first']]);
  });

  it('is linear in the length of an event, and gives up beyond 64 Mi characters', () => {
    const piece = 'x'.repeat(64 * 1024);
    const pieces = Array.from({ length: 512 }, () => piece);
    const [[, data]] = read('data:', ...pieces, '\n\n');
    assert.equal(data.length, 512 * piece.length);
    assert.throws(() => read('data:', ...pieces, ...pieces, 'x'), { code: 'event_too_long' });
  });
});

describe('the patches of the browser client', () => {
  const document = { a: { 'b/c': [1, 2, 3], 'd~e': null }, f: 1 };
  const cases = {
    'replaces the whole document': [[{ op: 'replace', path: '', value: [1] }], [1]],
    'adds a member': [[{ op: 'add', path: '/g', value: 2 }], { ...document, g: 2 }],
    'unescapes pointers': [[{ op: 'replace', path: '/a/b~1c/1', value: 9 }, { op: 'remove', path: '/a/d~0e' }], { a: { 'b/c': [1, 9, 3] }, f: 1 }],
    'adds in and behind an array': [[{ op: 'add', path: '/a/b~1c/0', value: 0 }, { op: 'add', path: '/a/b~1c/4', value: 4 }], { ...document, a: { ...document.a, 'b/c': [0, 1, 2, 3, 4] } }],
    'removes from an array': [[{ op: 'remove', path: '/a/b~1c/0' }], { ...document, a: { ...document.a, 'b/c': [2, 3] } }],
  };
  for (const [name, [patch, expected]] of Object.entries(cases)) {
    it(name, () => {
      const before = structuredClone(document);
      assert.deepEqual(applyPatch(document, patch), expected);
      assert.deepEqual(document, before, 'the document itself is left as it is');
    });
  }

  it('shares what a patch does not touch, and keeps the order of members', () => {
    const value = applyPatch(document, [{ op: 'replace', path: '/a/d~0e', value: 1 }]);
    assert.equal(value.a['b/c'], document.a['b/c']);
    assert.deepEqual(Object.keys(value), ['a', 'f']);
  });

  it('takes __proto__ for a member like any other', () => {
    const value = applyPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]);
    assert.equal(value.polluted, undefined);
    assert.deepEqual(Object.keys(value), ['__proto__']);
  });

  for (const patch of [
    [{ op: 'remove', path: '/none' }], [{ op: 'replace', path: '/none', value: 1 }], [{ op: 'add', path: '/none/a', value: 1 }],
    [{ op: 'add', path: '/a/b~1c/9', value: 1 }], [{ op: 'remove', path: '/a/b~1c/3' }], [{ op: 'add', path: '/f/a', value: 1 }],
    [{ op: 'replace', path: '/toString', value: 1 }], [{ op: 'add', path: '/a/d~0e/x', value: 1 }], [{ op: 'remove', path: '/none/a/b' }],
  ]) {
    it(`does not fit: ${JSON.stringify(patch)}`, () => assert.throws(() => applyPatch(document, patch), { code: 'patch_failed' }));
  }

  // The server sends none of these, and each would cost bytes of every page.
  for (const operation of [
    { op: 'move', from: '/f', path: '/a/g' }, { op: 'copy', from: '/f', path: '/a/g' }, { op: 'test', path: '/f', value: 1 },
    { op: 'increment', path: '/f', value: 1 }, { op: 'test', path: '', value: document }, { op: 'copy', from: '/a', path: '/a/b~1c/0' },
  ]) {
    it(`is not applied, but fails: ${JSON.stringify(operation)}`, () => {
      assert.throws(() => applyPatch(document, [operation]), { code: 'patch_failed' });
    });
  }
});

describe('the order of ids', () => {
  it('is that of history, and not known for encrypted positions', () => {
    assert.ok(compareIds('9-1', '10-1') < 0);
    assert.ok(compareIds('10-2', '10-10') < 0);
    assert.equal(compareIds('p-1', 'p-1'), 0);
    const [one, other] = ['p-2b7e151628aed2a6abf7158809cf4f3c', 'p-3b7e151628aed2a6abf7158809cf4f3c'];
    for (const [a, b] of [[one, '1-1'], ['1-1', one], [one, other]]) assert.ok(Number.isNaN(compareIds(a, b)));
    assert.ok(compareIds('1-1', '') > 0);
  });
});

describe('a subscription of a tab that does not read', () => {
  it('is sent 4 MiB and no more, and goes on where that ended', () => {
    const port = { _unread: 0, _post: () => {}, _subs: new Map() };
    const sub = createSub(port, 1, undefined, new Set(['news']), '');
    sub._link = { _last: '1-1' };
    const event = { id: '1-2', topics: ['news'], data: 'x'.repeat(2 ** 20) };
    const sent = Array.from({ length: 8 }, (_, number) => sub._send(event, `start ${number}`));
    assert.deepEqual(sent, [true, true, true, true, false, false, false, false]);
    assert.equal(sub._link, undefined);
    assert.equal(sub._start, 'start 7');
  });
});
