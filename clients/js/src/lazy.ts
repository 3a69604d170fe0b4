import { type ConnectionOptions, type Signal, signal } from './index.js';

/** A signal that is open while somebody reads it. */
export interface LazySignal<T> {
  readonly value: T | undefined;
  subscribe(run: (value: T | undefined) => void): () => void;
}

export function lazySignal<T>(name: string, options?: ConnectionOptions): LazySignal<T> {
  let source: Signal<T> | undefined;
  let value: T | undefined;
  let readers = 0;
  return {
    get value() {
      return value;
    },
    subscribe(run) {
      readers++;
      source ??= signal<T>(name, options);
      const unsubscribe = source.subscribe((next) => {
        value = next;
        run(value);
      });
      return () => {
        unsubscribe();
        if (--readers) return;
        source?.close();
        source = value = undefined;
      };
    },
  };
}
