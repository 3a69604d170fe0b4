// Ways from a client to the server. Each gives the `url` for the client and the `cuts` that the
// connection can suffer on it while both of its ends live; a cut may go on for as long as `meanwhile`.
import { Nginx } from './nginx.mjs';
import { Proxy } from './proxy.mjs';

export async function direct(t, server) {
  const proxy = await Proxy.start(t, server.port);
  return {
    url: proxy.url,
    cuts: {
      'an end': () => proxy.end(),
      'a reset': () => proxy.reset(),
      'an end in the middle of an event': () => proxy.endAfter(33),
      'silence, and then a reset': async (meanwhile) => {
        proxy.swallow();
        await meanwhile();
        proxy.reset();
      },
    },
  };
}

/** Through an nginx that has what `locations` makes of the server's address. */
export const behindNginx = (locations) => async (t, server) => {
  const back = await Proxy.start(t, server.port);
  const nginx = await Nginx.start(t, await locations(`127.0.0.1:${back.port}`));
  const front = await Proxy.start(t, nginx.port);
  return {
    url: front.url,
    nginx,
    back,
    cuts: {
      'a reset before nginx': () => front.reset(),
      'an end behind nginx': () => back.end(),
      'a reset behind nginx': () => back.reset(),
      'an end behind nginx in the middle of an event': () => back.endAfter(33),
    },
  };
};
