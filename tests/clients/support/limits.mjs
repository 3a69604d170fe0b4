/** So that nothing hangs: far above what any test takes, also on a machine that is busy with others. */
export const TEST = { timeout: 60_000 };
export const SUITE = { concurrency: true, timeout: 240_000 };
