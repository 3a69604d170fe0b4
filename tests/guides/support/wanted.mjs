// What `run` was asked to test: languages by their names, and `pages`, all without a name.
const names = (process.env.GUIDES ?? '').split(' ').filter(Boolean);

export const wanted = (name) => names.length === 0 || names.includes(name);

/** Whether a language that the machine lacks is a failure. */
export const REQUIRE_ALL = process.env.GUIDES_REQUIRE === 'all';
