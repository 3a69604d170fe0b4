import type { Link, Refusal } from './model.js';
import { parser } from './parser.js';
import { applyPatch } from './patch.js';
import { backoff, Wake } from './protocol.js';
import type { TokenReason } from './types.js';

const FIRST_RETRY_MS = 1000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
const MAX_RETRY_AFTER_MS = 300_000;

/**
 * `onConnecting` is called before `open`, which makes the request, and `onConnected` once the stream is there. `onBlock`
 * takes each block while `_last` is still the id before it. `onFailure` is called at the beginning of each wait.
 */
export function createLink(
  names: ReadonlySet<string>,
  open: (link: Link, signal: AbortSignal, reason?: TokenReason) => Promise<Response>,
  onConnecting: (link: Link) => void,
  onBlock: (link: Link, name: string, value: any, id: string) => void,
  onConnected: (link: Link) => void,
  onFailure: (link: Link, problem: Refusal) => void,
): Link {
  const documents = new Map<string, unknown>();
  /** When the last byte came, while a connection is there or being made. */
  let heard = 0;
  let attempts = 0;
  let connection: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout>;

  const take = (name: string, value: any, id: string) => {
    const { patch, name: document } = value;
    if (patch) documents.set(document, applyPatch(documents.get(document), patch));
    else documents.delete(document);
    onBlock(link, name, value, id);
    const isFresh = !link._last;
    // Last events of topics. A stream that is cut before it has begun begins anew.
    if (isFresh && name !== 'connected') return void link._latest!.push(value);
    link._last = id;
    if (name === 'connected') {
      link._isOpen = true;
      link._isFresh = isFresh;
      attempts = 0;
      onConnected(link);
    }
  };

  const fail = (error: any, retry: number) => {
    link._close();
    const problem: Refusal = error.code ? error : { code: 'disconnected', detail: `${error}` };
    const retryIn = Math.min(problem.retryAfter || 0, MAX_RETRY_AFTER_MS) + backoff(retry, attempts++);
    timer = setTimeout(() => link._connect('connect'), retryIn);
    onFailure(link, { ...problem, retryIn });
  };

  const link: Link = {
    _names: names,
    _documents: documents,
    _last: '',
    async _connect(reason) {
      link._close();
      const { signal } = (connection = new AbortController());
      let retry = FIRST_RETRY_MS;
      heard = Date.now();
      link._latest = [];
      onConnecting(link);
      try {
        const response = await open(link, signal, reason);
        const onRetry = (ms: number) => (retry = Math.min(Math.max(ms, MIN_RETRY_MS), MAX_RETRY_MS));
        // Not the rest of what was read, behind what has ended this connection.
        const parse = parser(link._last, onRetry, (name, data, id) => signal.aborted || take(name, JSON.parse(data), id));
        for (const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
          const { done, value } = await reader.read();
          // A stream never ends by itself.
          if (done) throw { code: 'disconnected' };
          heard = Date.now();
          parse(value);
        }
      } catch (error) {
        if (!signal.aborted) fail(error, retry);
      }
    },
    _wake(level, silence) {
      if (level > Wake.Waiting || (level && heard === Infinity) || Date.now() - heard > silence) link._connect('connect');
    },
    _close() {
      clearTimeout(timer);
      connection?.abort();
      link._isOpen = link._isFresh = false;
      heard = Infinity;
    },
  };
  return link;
}
