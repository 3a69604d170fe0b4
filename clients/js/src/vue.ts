import { onScopeDispose, readonly, type ShallowRef, shallowRef } from 'vue';
import type { ConnectionOptions } from './index.js';
import { signal } from './index.js';

/** The document of this name, which is kept up to date until the component is unmounted; `undefined` while there is none. */
export function useSignal<T = unknown>(name: string, options?: ConnectionOptions): Readonly<ShallowRef<T | undefined>> {
  const value = shallowRef<T>();
  // Not while a server renders, which disposes of nothing.
  if (typeof document === 'object') {
    const source = signal<T>(name, options);
    source.subscribe((next) => (value.value = next));
    onScopeDispose(source.close);
  }
  return readonly(value) as Readonly<ShallowRef<T | undefined>>;
}
