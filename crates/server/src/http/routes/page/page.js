import { $ } from './page/dom.js';
import { onFrame, scheduleRender, togglePause } from './page/live.js';
import { restoreOperator } from './page/operator.js';
import { checkJson, formatJson, keepDraft, publish, restoreDraft, showAccess, switchMode } from './page/publish.js';
import { begin, clearList, connect, disconnect, dropOrResume, keepList, onceOpen, readAddress, selection, showStream } from './page/stream.js';
import { addView } from './page/tabs.js';
import { copy, showCommands } from './page/terminal.js';

function showStartFields() {
  const { value } = $('connect-form').elements.start;
  for (const name of ['last', 'since']) {
    $(`start-${name}`).hidden = $(`start-${name}`).disabled = name !== value;
  }
  $('since-hint').hidden = value !== 'since';
}

function showLines() {
  const { topics, start } = selection();
  showCommands(topics, start);
}

function keepAll() {
  keepDraft();
  keepList();
}

for (const form of document.forms) {
  form.addEventListener('submit', event => event.preventDefault());
  form.addEventListener('input', showLines);
}
$('connect-form').addEventListener('submit', connect);
$('start-choice').addEventListener('change', showStartFields);
$('disconnect').addEventListener('click', disconnect);
$('resume').addEventListener('click', dropOrResume);
$('listen-toggle').addEventListener('click', ({ currentTarget }) => {
  const open = currentTarget.getAttribute('aria-expanded') === 'true';
  currentTarget.setAttribute('aria-expanded', String(!open));
});
$('publish-form').addEventListener('submit', publish);
$('publish-mode').addEventListener('change', switchMode);
$('publish-json').addEventListener('input', checkJson);
$('publish-format').addEventListener('click', formatJson);
$('publish-form').addEventListener('keydown', event => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  $('publish-form').requestSubmit();
});
$('pause').addEventListener('click', togglePause);
$('clear').addEventListener('click', clearList);
$('terminal').addEventListener('click', ({ target }) => target.dataset.copies && copy(target));
// A phone may end a hidden page without a further event.
document.addEventListener('visibilitychange', keepAll);
addEventListener('pagehide', keepAll);

// The details of an event begin below the header, which may take two lines.
new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty('--top', `${target.offsetHeight}px`)).observe($('connection'));
addView('events', { show: scheduleRender });
readAddress();
restoreDraft();
showStartFields();
showLines();
$('terminal').open = matchMedia('(min-width: 56rem)').matches;
onFrame(showStream);
onceOpen(() => showAccess().then(showLines));
begin();
restoreOperator();
