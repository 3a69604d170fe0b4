import { applyPatch } from './patch.js';
import { type Handle, open, run } from './tab.js';
import type { ConnectionOptions, Signal } from './types.js';

/** Keeps the document of this name up to date, until it is closed. */
export function signal<T = unknown>(name: string, options: ConnectionOptions = {}): Signal<T> {
  const readers = new Set<() => void>();
  const handle = open('name', 'signals', [name], '', false, options, ({ patch }) => {
    try {
      const next = patch ? applyPatch(source.value, patch) : undefined;
      // A stream that begins again sends the document again.
      if (JSON.stringify(next) === JSON.stringify(source.value)) return;
      source.value = next as T;
    } catch {
      // The hub sends the document whole.
      return handle._again();
    }
    readers.forEach((read) => read());
  });
  const source = Object.assign(handle, {
    value: undefined as T | undefined,
    subscribe(reader: (value: T | undefined) => void) {
      const read = () => run(reader, source.value);
      readers.add(read);
      read();
      return () => readers.delete(read);
    },
  }) as Handle & { -readonly [Member in keyof Signal<T>]: Signal<T>[Member] };
  return source;
}
