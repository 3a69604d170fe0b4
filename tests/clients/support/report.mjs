/**
 * For the script of a page: `report(value)` sends a value to its server, one after another, so that they arrive in
 * the order in which they were reported.
 */
export const REPORT = `let reported = Promise.resolve();
const report = (value) => {
  const send = () => fetch('/report', { method: 'POST', body: JSON.stringify(value) });
  reported = reported.then(send).catch(() => {});
};`;
