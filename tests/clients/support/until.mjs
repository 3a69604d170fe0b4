import { setTimeout as delay } from 'node:timers/promises';

import { WAIT_MS } from './limits.mjs';

/** Resolves with the first truthy answer of `check`; `what` names the wait where it was in vain. */
export async function until(check, what, timeout = WAIT_MS) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const answer = await check();
    if (answer) return answer;
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeout} ms in vain for ${typeof what === 'function' ? what() : what}`);
    }
    await delay(10);
  }
}
