import { createHmac } from 'node:crypto';

import { request } from './request.mjs';
import { Server } from './server.mjs';

export const HUB = '/.well-known/mercure';
const PUBLISHER_KEY = '!ChangeThisMercureHubJWTSecretKey!-publisher';
const SUBSCRIBER_KEY = '!ChangeThisMercureHubJWTSecretKey!-subscriber';

/** A server that is a hub for tokens of version 0.x. */
export function hub(t, ...args) {
  const keys = ['--mercure-publisher-key', PUBLISHER_KEY, '--mercure-subscriber-key', SUBSCRIBER_KEY];
  return Server.start(t, { args: ['--mercure', ...keys, ...args] });
}

function token(key, mercure) {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 3600;
  const message = `${part({ typ: 'JWT', alg: 'HS256' })}.${part({ exp, mercure })}`;
  return `${message}.${createHmac('sha256', key).update(message).digest('base64url')}`;
}

/** A token that may read private events of these topics. */
export const subscriber = (...subscribe) => token(SUBSCRIBER_KEY, { publish: [], subscribe });

/** Publishes as the libraries of backends do; resolves with the id. */
export async function publish(server, update) {
  const response = await request(server.url + HUB, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token(PUBLISHER_KEY, { publish: ['*'], subscribe: [] })}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams(update).toString(),
  });
  if (response.status !== 200) throw new Error(`the hub responded ${response.status}: ${response.body}`);
  return response.body;
}
