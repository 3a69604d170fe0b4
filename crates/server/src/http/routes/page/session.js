// Who uses the page: anybody, or an operator with a key or token, which is kept in this tab alone.
import { forget, keep, kept } from './dom.js';
import { FetchSource } from './fetch-source.js';

const storageName = 'operator';
/** Without a byte for so long, a request is given up. */
const silenceSeconds = 10;
/** What a key may have, so that a header can carry it. */
export const keyPattern = /^[!-~]+$/;

let credential = kept(storageName);
let onRejected = () => {};

export const isOperator = () => Boolean(credential);
/** @returns {Record<string, string>} */
export const authorization = () => (credential ? { Authorization: `Bearer ${credential}` } : {});

export function setCredential(value) {
  credential = value;
  if (value) keep(storageName, value);
  else forget(storageName);
}

/** @param {(response: Response) => void} callback called when a credential that was accepted is no longer */
export function whenRejected(callback) {
  onRejected = callback;
}

/** The document of a response; `null` without one, after an error, and where its body failed. @param {Response|null} response */
export const jsonOf = async response => (response?.ok ? response.json().catch(() => null) : null);

/** Aborts a request when it was silent for too long. */
function listenFor(seconds) {
  const end = new AbortController();
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const heard = () => {
    stop();
    timer = setTimeout(() => end.abort(), seconds * 1000);
  };
  heard();
  return {
    signal: end.signal,
    stop,
    /** The same response. Its body may take as long as it comes. @param {Response} response */
    follow(response) {
      // No content, or no stream of it.
      if (response.status === 204 || !response.body) {
        stop();
        return response;
      }
      heard();
      const transform = (piece, controller) => {
        heard();
        controller.enqueue(piece);
      };
      return new Response(response.body.pipeThrough(new TransformStream({ transform, flush: stop })), response);
    },
  };
}

/**
 * A request with the operator's rights, if there is an operator.
 * @param {string} path relative to the page
 * @param {RequestInit} [options]
 * @returns {Promise<Response|null>} null if no response came
 */
export async function request(path, { headers, signal, ...options } = {}) {
  const silence = listenFor(silenceSeconds);
  const response = await fetch(path, {
    headers: { Accept: 'application/json', ...authorization(), ...headers },
    signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
    ...options,
  }).then(silence.follow, () => null);
  if (!response) silence.stop();
  if (credential && path.startsWith('admin/') && [401, 403].includes(response?.status)) onRejected(response);
  return response;
}

/** A stream: an EventSource as applications have it, or with a key a reader by fetch, since an EventSource cannot send one. */
export function openSource(url) {
  return credential ? new FetchSource(url, authorization()) : new EventSource(url);
}
