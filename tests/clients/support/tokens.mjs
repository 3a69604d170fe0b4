import { createHmac } from 'node:crypto';

/** For `--token-key 'HS256 …'`. */
export const SECRET = '0123456789abcdef0123456789abcdef';

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token with these claims, for so many seconds. */
export function jwt(claims, seconds = 3600) {
  const text = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded({ exp: Math.floor(Date.now() / 1000) + seconds, ...claims })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
