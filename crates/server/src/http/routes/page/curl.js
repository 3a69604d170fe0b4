// Lines for a terminal.

const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;
const folder = () => location.origin + location.pathname.replace(/[^/]*$/, '');
const withKey = needed => (needed ? ' -H "Authorization: Bearer $KEY"' : '');

/** @param {string} path @param {[string, string][]} [parameters] */
export function address(path, parameters = []) {
  const query = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return `${folder()}${path}${query && `?${query}`}`.replaceAll("'", '%27');
}

/** Publishes this event again. @param {import('./filter.js').PublishedEvent} event @param {boolean} needsKey */
export function curlOfEvent({ topics, event, data, private: isPrivate, finish }, needsKey) {
  const body = JSON.stringify({ topics, event: event ?? undefined, data, private: isPrivate || undefined, finish: finish || undefined });
  return `curl '${address('events')}' -H 'Content-Type: application/json'${withKey(needsKey)} -d ${quoted(body)}`;
}

/** Reads history once. @param {[string, string][]} parameters @param {boolean} needsKey */
export function curlOfHistory(parameters, needsKey) {
  return `curl -H 'Accept: application/json'${withKey(needsKey)} '${address('events', parameters)}'`;
}
