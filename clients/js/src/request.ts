import type { Refusal, Sub } from './model.js';
import { type Config, type Post, ToTab } from './protocol.js';
import type { Problem, TokenReason } from './types.js';

const TOKEN_MS = 10_000;

/** A request for these names, for a response of type `accept`. With a reason a tab is asked for a token first. */
export type Send = (
  names: Iterable<string>, rest: string, accept: string, signal: AbortSignal, reason?: TokenReason,
) => Promise<Response>;

/** The same request would be refused again. */
export const isPermanent = ({ status = 0 }: Problem): boolean => /^(4(?!08|29)|20[45])/.test(status as any);

/** Throws for no string: a name that is not well-formed must not count as a lost connection, again and again. */
export const queryOf = (kind: string, names: Iterable<string>): string =>
  `${new URLSearchParams(Array.from(new Set(names), (name) => [kind, name]))}&`;

/** Also what renews the token. `questions` are those to tabs: the number of each, and what takes the response. */
export function createSend(config: Config, subs: Set<Sub>, questions: Map<number, Post>): [Send, () => Promise<void>] {
  const [kind, url, , credentials, , hasToken] = config;
  let token: string | undefined;

  /** Asks the tab that was heard last. */
  const askForToken = async (reason: TokenReason) => {
    const [sub] = [...subs].sort((a, b) => a._port._silentTicks - b._port._silentTicks);
    const question = Math.random();
    const [value, detail] = await new Promise<any[]>((resolve) => {
      questions.set(question, resolve);
      setTimeout(resolve, TOKEN_MS, [, 'timeout']);
      sub?._post(ToTab.Token, question, '', reason);
    });
    questions.delete(question);
    if (detail) throw { code: 'token_failed', detail } satisfies Problem;
    token = value;
  };

  const send: Send = async (names, rest, accept, signal, reason) => {
    // If a token is refused, once more with a fresh one.
    for (;; reason = 'refused') {
      if (reason && hasToken) await askForToken(reason);
      // In Firefox a second request of the same address would otherwise wait for the first.
      const response = await fetch(`${url}${url.includes('?') ? '&' : '?'}${queryOf(kind, names)}${rest}`, {
        headers: { accept, ...(token && { authorization: `Bearer ${token}` }) },
        signal, credentials: credentials!, cache: 'no-store',
      });
      if (response.ok && response.headers.get('content-type')?.startsWith(accept)) return response;
      if (hasToken && reason !== 'refused' && /40[13]/.test(response.status as any)) continue;
      throw {
        code: `http_${response.status}`,
        ...await response.json().catch(() => {}),
        status: response.status,
        retryAfter: +response.headers.get('retry-after')! * 1000,
      } satisfies Refusal;
    }
  };
  return [send, () => askForToken('expiring')];
}
