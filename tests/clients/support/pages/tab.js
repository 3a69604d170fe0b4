// One tab under test: subscribes by its address's parameters, and keeps what comes, also when it is loaded again.
import { subscribe } from '/client.js';

const parameters = new URLSearchParams(location.search);
const options = {
  topics: parameters.getAll('topic'),
  onEvent: ({ data }) => window.got.push(data.length > 100 ? data.length : data),
  onGap: (gap) => window.got.push({ gap }),
  onState: (state, problem) => window.states.push(problem ? `${state} ${problem.code}` : state),
};
if (parameters.get('worker') === 'false') options.worker = false;
if (parameters.has('share')) options.share = false;
if (parameters.has('credentials')) options.credentials = parameters.get('credentials');
if (parameters.has('user')) options.identity = parameters.get('user');
if (parameters.has('identity')) {
  options.identity = parameters.get('identity');
  options.token = async (reason) => (await fetch(`/token?${reason}`)).text();
}
for (const name of ['since', 'last', 'lastEventId', 'heartbeat']) {
  if (parameters.has(name)) options[name] = name === 'heartbeat' ? Number(parameters.get(name)) : parameters.get(name);
}

window.got = JSON.parse(sessionStorage.getItem('got') ?? '[]');
window.states = [];
window.subscription = subscribe(options);
addEventListener('pageshow', ({ persisted }) => { window.persisted = persisted; });
addEventListener('pagehide', () => sessionStorage.setItem('got', JSON.stringify(window.got)));
if (parameters.has('report')) {
  setInterval(async () => {
    const { held } = await navigator.locks.query();
    const report = [parameters.get('report'), window.subscription.state, window.got, held.length];
    fetch('/report', { method: 'POST', body: JSON.stringify(report) }).catch(() => {});
  }, 200);
}
