/** So that nothing hangs: far above what any test takes, also on a machine that is busy with others. */
export const WAIT_MS = 60_000;
export const TEST = { timeout: 180_000 };
export const SUITE = { concurrency: 4, timeout: 600_000 };
