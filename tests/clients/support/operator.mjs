// A busy server as its operator sees it, by the contract of `/admin/`.

export const ADMIN_KEY = 'admin-key-of-the-test';

const START = Date.parse('2026-11-29T09:12:00Z');
const problem = (status, code, title, detail) => ({ status, body: { type: 'about:blank', status, code, title, detail } });

/** Figures that go up and down the same way in each run. */
function sample(time) {
  const phase = time / 1000 / 45;
  const wave = Math.sin(phase) + 0.35 * Math.sin(phase * 3.7) + 0.15 * Math.sin(phase * 11);
  const published = Math.max(0, Math.round(240 + 90 * wave));
  return {
    time,
    subscribers: Math.round(12_040 + 320 * Math.sin(phase / 2)),
    behind: Math.max(0, Math.round(6 * wave)),
    published,
    delivered: published * 410,
    sent_bytes: published * 410 * 188,
    fan_out_ms: { mean: 3.1 + 0.8 * wave, p99: 14 + 5 * wave },
    lag_events: Math.max(0, Math.round(40 * wave)),
    memory_bytes: 212 * 2 ** 20 + Math.round(3 * 2 ** 20 * wave),
    gaps: 0,
    refused: Math.max(0, Math.round(wave)),
  };
}

function status(query) {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const count = Math.min(300, Number(query.get('samples') ?? 300));
  return {
    version: '0.1.0', node: 'node-a1f3', started: new Date(START).toISOString(), time: new Date(now).toISOString(),
    now: sample(now),
    samples: Array.from({ length: count }, (_, place) => sample(now - (count - 1 - place) * 1000)),
    history: {
      kind: 'redis', available: true, events: 612_440, bytes: 402_653_184, max_events: 1_000_000, max_bytes: 1_073_741_824,
      oldest: new Date(now - 7_200_000).toISOString(), newest: new Date(now).toISOString(), head: `${now}-2012656475`,
    },
    nodes: ['node-a1f3', 'node-b7c2', 'node-e90d'].map((node, place) => ({
      node, subscribers: 4_100 - 60 * place, published_per_second: 82.5 - 4 * place, time: new Date(now - 300 * place).toISOString(),
    })),
  };
}

const TOPICS = Array.from({ length: 4_213 }, (_, place) => ({
  name: place % 3 === 0 ? `orders/${1000 + place}` : place % 3 === 1 ? `rooms/${place}/messages` : `https://shop.example.com/products/${place}`,
  subscribers: Math.round(40_000 / (place + 4)),
  events_per_minute: Math.round(90_000 / (place + 9)) / 10,
  last_id: `${1_795_946_000_000 - place * 977}-2012656475`,
}));

function topics(query) {
  const [limit, offset] = [Number(query.get('limit') ?? 100), Number(query.get('offset') ?? 0)];
  const found = TOPICS.filter(({ name }) => name.startsWith(query.get('prefix') ?? ''));
  const by = { name: (a, b) => (a.name < b.name ? -1 : 1), rate: (a, b) => b.events_per_minute - a.events_per_minute }[query.get('sort')];
  const sorted = by ? found.toSorted(by) : found;
  return { topics: sorted.slice(offset, offset + limit), total: found.length, more: offset + limit < found.length, every: 3, patterns: 17, complete: true };
}

const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0', 'okhttp/5.1.0', 'curl/8.14.1'];
const connections = Array.from({ length: 240 }, (_, place) => ({
  id: `c-${(place * 7919 + 40_961).toString(36)}`,
  address: `192.0.2.${1 + place}`,
  user: place % 4 === 3 ? null : ['anna', 'ben', 'chloé', 'dmitri'][place % 4] + (place > 20 ? place : ''),
  topics: place % 5 === 0 ? ['*'] : Array.from({ length: 1 + (place % 7) }, (_, topic) => `orders/${1000 + place * 3 + topic}`),
  topics_total: place % 5 === 0 ? 1 : 1 + (place % 7),
  transport: ['sse', 'sse', 'websocket', 'signals', 'mercure'][place % 5],
  http: place % 3 === 1 ? '2' : '1.1',
  since: new Date(START + place * 61_000).toISOString(),
  behind: place % 11 === 4 ? 18 * (1 + place) : 0,
  sent_id: place % 17 === 16 ? null : `1795946${(100_000 + place * 37).toString()}-2012656475`,
  user_agent: AGENTS[place % AGENTS.length],
}));

function listConnections(query, open) {
  const matches = open.filter(({ topics: of, user, address }) => (!query.get('topic') || of.includes(query.get('topic')))
    && (!query.get('user') || user === query.get('user')) && (!query.get('address') || address === query.get('address')));
  const from = query.get('after') ? matches.findIndex(({ id }) => id === query.get('after')) + 1 : 0;
  const limit = Number(query.get('limit') ?? 100);
  return { node: 'node-a1f3', connections: matches.slice(from, from + limit), more: matches.length > from + limit };
}

/** The explanation that the test wants, or `no_match`. */
function explain(query, open, outcome) {
  const connection = open.find(({ id }) => id === query.get('connection'));
  if (!connection) return problem(404, 'unknown_connection', 'Not Found', `there is no connection ${JSON.stringify(query.get('connection'))} on this node`);
  const id = query.get('event');
  const event = { id, topics: ['prices'], private: false, time: new Date(Number(id?.split('-')[0])).toISOString() };
  const detail = `The event has the topic prices, and the connection selects ${connection.topics.join(', ')}.`;
  return { status: 200, body: { node: 'node-a1f3', outcome, detail, event: outcome === 'unknown_event' ? null : event, connection, at: null } };
}

/** Responds as a server with the key `ADMIN_KEY`, or with none at all. */
export function operatorSide({ configured = true, outcome = 'no_match' } = {}) {
  const open = [...connections];
  return ({ method, path, query, key }) => {
    if (!configured) return problem(404, 'not_found', 'Not Found', 'there is no such route');
    if (key === undefined) return problem(401, 'key_missing', 'Unauthorized', 'send the admin key as "Authorization: Bearer KEY"');
    if (key === 'token-without-the-right') return problem(403, 'admin_not_granted', 'Forbidden', 'the token grants no admin rights; its claim "sse" needs "admin": true');
    if (key !== ADMIN_KEY) return problem(401, 'wrong_key', 'Unauthorized', 'the key is wrong');
    if (path === 'status') return { status: 200, body: status(query) };
    if (path === 'topics') return { status: 200, body: topics(query) };
    if (path === 'connections') return { status: 200, body: listConnections(query, open) };
    if (path === 'explain') return explain(query, open, outcome);
    const id = /^connections\/(.+)$/.exec(path)?.[1];
    const place = open.findIndex((connection) => connection.id === id);
    if (method !== 'DELETE' || place < 0) return problem(404, 'unknown_connection', 'Not Found', `there is no connection ${JSON.stringify(id)} on this node`);
    open.splice(place, 1);
    return { status: 204 };
  };
}
