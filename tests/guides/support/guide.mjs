import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../docs/clients/', import.meta.url));

export const guides = () => readdirSync(FOLDER).filter((file) => file.endsWith('.md')).map((file) => file.slice(0, -3));

/** A page of docs/clients, and the blocks of code in it. */
export class Guide {
  constructor(name) {
    this.name = name;
    this.text = readFileSync(join(FOLDER, `${name}.md`), 'utf8');
    this.blocks = blocksOf(this.text);
  }

  /** The text of the block that the page says to save as `file`. */
  file(file) {
    const found = this.blocks.filter((block) => block.file === file);
    assert.equal(found.length, 1, `docs/clients/${this.name}.md has ${file} once`);
    return found[0].text;
  }

  /** All blocks that have a name. */
  get files() {
    return Object.fromEntries(this.blocks.filter(({ file }) => file).map(({ file, text }) => [file, text]));
  }

  /** The lines of the blocks of `sh`. */
  get commands() {
    return this.blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trim().split('\n'));
  }
}

/** The line before a block ends with a colon, and names the file in backquotes. */
function blocksOf(text) {
  const lines = text.split('\n');
  const blocks = [];
  for (let first = 0; first < lines.length; first += 1) {
    const language = lines[first].match(/^```(\w+)$/)?.[1];
    if (!language) continue;
    const end = lines.indexOf('```', first);
    const before = lines.slice(0, first).findLast((line) => line !== '') ?? '';
    const file = before.endsWith(':') ? before.match(/.*`([\w-]+\.\w+)`/)?.[1] : undefined;
    blocks.push({ language, file, text: lines.slice(first + 1, end).map((line) => `${line}\n`).join('') });
    first = end;
  }
  return blocks;
}

/** The text with other values: each that is replaced must occur in it. */
export function adapted(text, replacements) {
  for (const [value, other] of Object.entries(replacements)) {
    assert.ok(text.includes(value), `the page has ${JSON.stringify(value)}`);
    text = text.replaceAll(value, other);
  }
  return text;
}

export async function save(folder, files) {
  await mkdir(folder, { recursive: true });
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(join(folder, file), text)));
}
