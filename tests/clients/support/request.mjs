import { once } from 'node:events';
import http from 'node:http';

/** One request on a connection of its own. Unlike `fetch` it sends no header of a browser's. */
export async function request(url, { method = 'GET', headers = {}, body } = {}) {
  const outgoing = http.request(url, { agent: false, method, headers });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return { status: response.statusCode, headers: response.headers, body: text };
}
