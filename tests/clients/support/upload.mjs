import { once } from 'node:events';
import http from 'node:http';

/** Begins an upload of NDJSON on the topic `lines`, whose end does not come before `finish`. */
export function upload(t, url, key) {
  const outgoing = http.request(`${url}/events`, {
    agent: false,
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${key}` },
  });
  t.after(() => outgoing.destroy());
  const response = once(outgoing, 'response');
  response.catch(() => {});
  return {
    write: (data) => outgoing.write(`${JSON.stringify({ topic: 'lines', data })}\n`),
    finish: async () => {
      outgoing.end();
      return (await response)[0].statusCode;
    },
  };
}
