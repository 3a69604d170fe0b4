import { useMemo, useSyncExternalStore } from 'react';
import type { ConnectionOptions } from './index.js';
import { lazySignal } from './lazy.js';

/** The document of this name, which is kept up to date while the component is mounted; `undefined` while there is none. */
export function useSignal<T = unknown>(name: string, options?: ConnectionOptions): T | undefined {
  // Options are an object of their own at each render.
  const source = useMemo(
    () => lazySignal<T>(name, options), [name, String(options?.url), options?.identity, options?.share],
  );
  return useSyncExternalStore(source.subscribe, () => source.value, () => undefined);
}
