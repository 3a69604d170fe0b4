import { spawn } from 'node:child_process';
import { once } from 'node:events';

const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(1));
}

/** Starts a program that dies with the test `t`, however the test ends. */
export async function start(t, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  await once(child, 'spawn');
  running.add(child);
  child.once('exit', () => running.delete(child));
  t.after(() => stop(child));
  return child;
}

export const hasExited = (child) => child.exitCode !== null || child.signalCode !== null;

export async function stop(child, signal = 'SIGKILL') {
  if (hasExited(child)) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}
