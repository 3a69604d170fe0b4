// The live list.
import { $ } from './dom.js';
import { gap, item, note } from './event-rows.js';
import { EventView } from './event-view.js';

const view = new EventView($('live-pane'), 'received');

export const addEvent = event => view.add(item(event));
export const addNote = (...words) => view.add(note(...words));
export const scheduleRender = () => view.schedule();
/** Where a stream has to begin again for the list to be as it is. */
export const beginning = () => view.store.base;
export const clear = position => view.clear(position);

export function addGap(missing) {
  view.add(gap(missing));
  // The row may be out of sight, or filtered; it is read aloud in any case.
  $('alert').textContent = `Gap: history no longer holds what followed ${missing.requested}.`;
}

export function beginAt(id) {
  view.store.base ??= id;
}

export function onFrame(callback) {
  view.onFrame = callback;
}

export function togglePause() {
  view.togglePause();
  $('pause').textContent = view.store.paused ? 'Continue' : 'Pause';
  $('live-pane').classList.toggle('paused', view.store.paused);
}

/** The newest events of the list, to choose one of. */
export function newestEvents(most) {
  return view.store.shown.filter(({ kind }) => kind === 'event').slice(-most).reverse().map(({ event }) => event);
}
