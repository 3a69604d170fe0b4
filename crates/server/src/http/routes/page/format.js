// Numbers and times as the page shows them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const brief = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const fineClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const calendar = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });

/** A text of others in which nothing hides, and nothing changes the order of the rest: control and format characters as escapes. */
export const visible = text => text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/gu, character => `\\u${character.codePointAt(0).toString(16).padStart(4, '0')}`);

export const count = number => whole.format(number);
export const short = number => (Math.abs(number) < 10_000 ? (Math.abs(number) < 10 ? one : whole).format(number) : brief.format(number));

export function bytes(number) {
  let unit = 0;
  while (Math.abs(number) >= 1024 && unit < units.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${number < 10 && unit > 0 ? one.format(number) : whole.format(number)} ${units[unit]}`;
}

export function milliseconds(number) {
  if (number >= 1000) return `${one.format(number / 1000)} s`;
  return number >= 10 ? `${whole.format(number)} ms` : `${number.toLocaleString('en', { maximumFractionDigits: 2 })} ms`;
}

/** A time of an event, to the millisecond, with the date unless it is today's. */
export function fineTime(text) {
  const date = new Date(text);
  const time = fineClock.format(date);
  return date.toDateString() === new Date().toDateString() ? time : `${calendar.format(date)}, ${time}`;
}

export function dateAndTime(text) {
  const date = new Date(text);
  return `${calendar.format(date)}, ${clock.format(date)}`;
}

/** How long something has lasted, in its two largest units. */
export function lasting(from, to = Date.now()) {
  const seconds = Math.max(0, Math.floor((to - Date.parse(from)) / 1000));
  const parts = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  const [unit, size] = parts[first];
  const next = parts[first + 1];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)} ${unit}${rest > 0 ? ` ${rest} ${next[0]}` : ''}`;
}
