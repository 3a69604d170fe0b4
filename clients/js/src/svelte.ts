import type { ConnectionOptions } from './index.js';
import { type LazySignal, lazySignal } from './lazy.js';

/** A store of the document of this name, which is kept up to date while a component reads it as `$store`. */
export const signalStore = <T = unknown>(name: string, options?: ConnectionOptions): LazySignal<T> =>
  lazySignal<T>(name, options);
