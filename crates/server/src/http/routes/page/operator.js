// Signing in as an operator, and the views that only operators have.
import { $, element, forget, keep, kept, problemInWords } from './dom.js';
import { addEventAction } from './details.js';
import { clear } from './live.js';
import { clearForm, showAccess } from './publish.js';
import { request, isOperator, keyPattern, setCredential, whenRejected } from './session.js';
import { changeSignalRights } from './signals.js';
import { reopenAs } from './stream.js';
import { goTo, route } from './tabs.js';
import { changeTopicRights } from './topics.js';

/** Why an operator was signed out, for the page that is loaded then. */
const reasonName = 'signed-out';

async function openDialog() {
  $('sign-in-output').replaceChildren();
  $('sign-in-form').hidden = false;
  $('sign-in-setup').hidden = true;
  $('sign-in-dialog').showModal();
  $('sign-in-key').focus();
  const response = await request('admin/status?samples=1');
  if (response?.status === 404) showSetup();
  else if (!response) say(...await problemInWords(response));
}

/** The routes do not exist: the server has no admin key. */
function showSetup() {
  $('sign-in-form').hidden = true;
  $('sign-in-setup').hidden = false;
  $('sign-in-setup').focus();
}

function say(...words) {
  $('sign-in-output').replaceChildren(...words);
}

async function signIn() {
  const key = $('sign-in-key').value.trim();
  if (!keyPattern.test(key)) return reject(element('strong', '', 'Not a key.'), ' A key or token has no spaces, and no characters outside ASCII.');
  say('Checking…');
  const response = await request('admin/status?samples=1', { headers: { Authorization: `Bearer ${key}` } });
  if (response?.status === 404) return showSetup();
  if (!response?.ok) return reject(...await problemInWords(response));
  setCredential(key);
  $('sign-in-key').value = '';
  $('sign-in-dialog').close();
  await activate();
  reopenAs();
  changeTopicRights();
  changeSignalRights();
  showAccess();
  goTo('overview');
}

function reject(...words) {
  say(...words);
  $('sign-in-key').setAttribute('aria-invalid', 'true');
  $('sign-in-key').select();
}

/** Adds the operator's views. Their code is loaded only now. */
async function activate() {
  $('nav').append($('operator-nav').content.cloneNode(true));
  $('views').append($('operator-views').content.cloneNode(true));
  $('sign-in').hidden = true;
  $('sign-out').hidden = false;
  const [overview, connections, explain] = await Promise.all([import('./overview.js'), import('./connections.js'), import('./explain.js')]);
  overview.addOverview();
  connections.addConnections();
  explain.addExplain();
  addEventAction('Why did a subscriber not get it?', event => goTo('explain', { event: event.id }));
}

/** The page is loaded anew, so that nothing which only an operator may see stays in it. */
function signOut() {
  setCredential(null);
  clear(null);
  forget('list');
  // Also what the browser itself would restore.
  clearForm();
  location.replace(location.pathname + location.search);
}

/** The key was taken away, or the token has ended. */
async function onRejected(response) {
  if (!isOperator()) return;
  setCredential(null);
  const words = await problemInWords(response);
  keep(reasonName, words.map(part => part.textContent ?? part).join(''));
  signOut();
}

/** Goes on as operator after a reload, if the key still counts. */
export async function restoreOperator() {
  if (isOperator()) {
    await activate();
    // 404: the server was started again without an admin key.
    request('admin/status?samples=1').then(response => response?.status === 404 && onRejected(response));
  }
  route();
  const reason = kept(reasonName);
  if (!reason) return;
  forget(reasonName);
  await openDialog();
  say(element('strong', '', 'You were signed out.'), ` ${reason}`);
}

$('sign-in').addEventListener('click', openDialog);
$('sign-out').addEventListener('click', signOut);
$('sign-in-form').addEventListener('submit', signIn);
$('sign-in-key').addEventListener('input', () => $('sign-in-key').removeAttribute('aria-invalid'));
for (const close of document.querySelectorAll('.sign-in-close')) close.addEventListener('click', () => $('sign-in-dialog').close());
whenRejected(onRejected);
