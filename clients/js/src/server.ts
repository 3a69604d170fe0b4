// The file that the server serves as /client.js: a module of pages, and the script of the SharedWorker that they share.
import { serveTabs } from './ports.js';
import { scope } from './protocol.js';
import { place } from './tab.js';

export * from './index.js';
// For the server's console alone.
export { parser } from './parser.js';

place._address = import.meta.url;

if (scope.SharedWorkerGlobalScope) serveTabs();
