import { $, element } from './dom.js';
import { needsKey, publishTopics } from './publish.js';

/** The lines that do in a terminal what the two forms do now. */
export function showCommands(topics, start) {
  const folder = location.pathname.replace(/[^/]*$/, '');
  const base = location.origin + folder;
  const event = $('publish-event').value.trim();
  show('curl-subscribe', 'curl -N', base, [...topics.map(topic => ['topic', topic]), ...Object.entries(start)]);
  show('curl-publish', `curl -d hello${needsKey() ? ' -H "Authorization: Bearer $KEY"' : ''}`, base,
    [...publishTopics().map(topic => ['topic', topic]), ...(event ? [['event', event]] : [])]);
}

function show(id, command, base, query) {
  const escape = text => encodeURIComponent(text).replaceAll("'", '%27');
  const text = query.map(([name, value]) => `${name}=${escape(value)}`).join('&');
  $(id).replaceChildren(`${command} '${base.replaceAll("'", '%27')}`, element('wbr', ''), `events${text && `?${text}`}'`);
}

export async function copy(button) {
  const command = $(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(command.textContent);
    button.textContent = 'Copied';
  } catch {
    // Over plain HTTP there is no clipboard: leave the line ready for the keyboard.
    getSelection().selectAllChildren(command);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}
