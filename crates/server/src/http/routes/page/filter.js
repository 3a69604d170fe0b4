// The filter of a list of events: every word must be found, `-word` must not, and `topic:`, `event:` and `id:` look there alone.

/** @typedef {{ id: string, own_id?: string, topics: string[], event?: string, data: string }} PublishedEvent */

const fields = { topic: event => event.topics.join('\n'), event: event => event.event ?? '', id: event => event.id };
const everywhere = event => `${event.id}\n${event.own_id ?? ''}\n${event.event ?? ''}\n${event.topics.join('\n')}`;

/**
 * @param {string} text
 * @returns {((event: PublishedEvent) => boolean) | null} null if everything passes
 */
export function compile(text) {
  const tests = [...text.matchAll(/(-)?(?:(topic|event|id):)?(?:"([^"]+)"|(\S+))/g)].map(([, not, field, quoted, plain]) => {
    const pattern = new RegExp((quoted ?? plain).replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
    const found = field
      ? event => pattern.test(fields[field](event))
      : event => pattern.test(event.data) || pattern.test(everywhere(event));
    return not ? event => !found(event) : found;
  });
  return tests.length > 0 ? event => tests.every(test => test(event)) : null;
}
