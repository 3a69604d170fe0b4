import { $, copyText, element } from './dom.js';
import { address } from './curl.js';
import { needsKey, publishTopics } from './publish.js';
import { isOperator } from './session.js';

const key = ' -H "Authorization: Bearer $KEY"';

/** The lines that do in a terminal what the two forms do now. */
export function showCommands(topics, start) {
  const event = $('publish-event').value.trim();
  show('curl-subscribe', `curl -N${isOperator() ? key : ''}`, [...topics.map(topic => ['topic', topic]), ...Object.entries(start)]);
  show('curl-publish', `curl -d hello${needsKey() ? key : ''}`,
    [...publishTopics().map(topic => ['topic', topic]), ...(event ? [['event', event]] : [])]);
}

function show(id, command, parameters) {
  const [folder, query] = address('events', parameters).split(/(?<=\/)(?=events(?:\?|$))/);
  $(id).replaceChildren(`${command} '${folder}`, element('wbr', ''), `${query}'`);
}

export const copy = trigger => copyText($(trigger.dataset.copies).textContent, trigger);
