/** Most characters of one event. */
const MAX_EVENT_CHARS = 64 * 2 ** 20;

/** Called with name (`''` without one), data and last event id. */
export type OnBlock = (name: string, data: string, id: string) => unknown;

/** Reads an event stream by the HTML standard, from pieces of text that are not empty. `id` is the last event id so far. */
export function parser(id: string, onRetry: (ms: number) => void, onBlock: OnBlock): (text: string) => void {
  let rest = '';
  /** The text before ended with a CR: an LF next belongs to it. */
  let afterCr = false;
  let name = '';
  let data: string[] = [];
  let chars = 0;

  const take = (line: string) => {
    const [, field, value] = /([^:]*):? ?(.*)/s.exec(line) as unknown as [string, string, string];
    if (field === 'data') data.push(value);
    else if (field === 'event') name = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry(+value);
    else if (!line) {
      if (data.length) onBlock(name, data.join('\n'), id);
      name = '';
      data = [];
    }
    // What is kept is what belongs to an event.
    if (!data.length) chars = 0;
  };

  return (text) => {
    const lines = text.slice(+(afterCr && text[0] === '\n')).split(/\r\n?|\n/);
    afterCr = text.endsWith('\r');
    if ((chars += text.length) > MAX_EVENT_CHARS) throw { code: 'event_too_long' };
    lines[0] = rest + lines[0];
    rest = lines.pop()!;
    lines.forEach(take);
  };
}
