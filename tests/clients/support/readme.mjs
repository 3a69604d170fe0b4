import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

/** The first block of `language` under the heading `title` of a document, without its fence. */
export async function documented(file, title, language) {
  const text = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8');
  const lines = text.split('\n');
  const heading = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === title);
  assert.notEqual(heading, -1, `${file} has the heading "${title}"`);
  const first = lines.indexOf('```' + language, heading) + 1;
  const end = lines.findIndex((line, place) => place > heading && /^#+ /.test(line) && place < first);
  assert.ok(first > 0 && end === -1, `${file} has a block of ${language} under "${title}"`);
  return lines.slice(first, lines.indexOf('```', first)).map((line) => `${line}\n`).join('');
}
