import { once } from 'node:events';
import { join } from 'node:path';

import { start } from '../../clients/support/process.mjs';

const PROGRAM = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
for statement in sys.argv[2:]:
    database.execute(statement)
`;

/** Another process that writes to an example's database: each statement is a transaction. */
export async function writeAsAnother(t, directory, file, statements) {
  const child = await start(t, 'python3', ['-c', PROGRAM, join(directory, file), ...statements], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the other process failed: ${log}`);
}

const LOCK = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
`;

/** Another process that lets nobody write to an example's database until the function returned is called. */
export async function lock(t, directory, file) {
  const child = await start(t, 'python3', ['-c', LOCK, join(directory, file)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return async () => {
    child.stdin.end();
    await once(child, 'close');
  };
}
