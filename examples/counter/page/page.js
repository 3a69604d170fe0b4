// The documents, kept by applying what the server sends. A stream begins with each of them whole, also
// when it was cut, so there is never anything to ask for or to repair.
export const documents = {};

const pointer = (key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;

// RFC 6902, as far as the server speaks it: it sends add, remove and replace.
function apply(operations, document) {
  const root = { document };
  for (const { op, path, value } of operations) {
    const keys = ['document', ...path.split('/').slice(1)].map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const key = keys.pop();
    const parent = keys.reduce((node, name) => node[name], root);
    if (op === 'remove') Array.isArray(parent) ? parent.splice(key, 1) : delete parent[key];
    else if (op === 'add' && Array.isArray(parent)) parent.splice(key === '-' ? parent.length : key, 0, value);
    else parent[key] = value;
  }
  return root.document;
}

function open() {
  const source = new EventSource('signals?name=count&name=votes&name=lights');
  source.onopen = () => { document.body.dataset.state = 'live'; };
  source.onmessage = ({ data }) => {
    const { name, patch } = JSON.parse(data);
    documents[name] = apply(patch, documents[name]);
    show[name]?.(documents[name]);
  };
  source.onerror = () => {
    document.body.dataset.state = 'away';
    // A browser comes back by itself, but not after an answer that it took for a refusal.
    if (source.readyState === EventSource.CLOSED) setTimeout(open, 1000 + 2000 * Math.random());
  };
}

// A change is a patch, too. Its test makes of two clicks at once two votes: the slower one is told 409
// and is made again on what the other has left.
async function change(name, operations) {
  const headers = { 'content-type': 'application/json-patch+json' };
  const body = JSON.stringify(operations());
  const { status } = await fetch(`signals/${name}`, { method: 'PATCH', headers, body });
  if (status === 409) setTimeout(change, 50, name, operations);
}

// As many children as there are values, made once, so that whoever stands on one with the keyboard stays.
function fill(id, values, make) {
  const parent = document.getElementById(id);
  while (parent.children.length > values.length) parent.lastChild.remove();
  while (parent.children.length < values.length) parent.append(make(parent.children.length));
  return [...parent.children];
}

function button(onclick, ...content) {
  const made = Object.assign(document.createElement('button'), { onclick });
  made.append(...content);
  return made;
}

const show = {
  count({ value }) { document.getElementById('count').textContent = value.toLocaleString(); },
  votes(votes) {
    const choices = Object.keys(votes);
    const vote = (choice) => change('votes', () => {
      const [path, value] = [pointer(choice), documents.votes[choice]];
      return [{ op: 'test', path, value }, { op: 'replace', path, value: value + 1 }];
    });
    const make = () => button(({ currentTarget }) => vote(currentTarget.name), new Text(), document.createElement('b'));
    fill('votes', choices, make).forEach((button, at) => {
      button.name = button.firstChild.data = choices[at];
      button.lastChild.textContent = votes[choices[at]];
    });
  },
  lights(lights) {
    const turn = (at) => change('lights', () => [{ op: 'replace', path: `/${at}`, value: !documents.lights[at] }]);
    fill('lights', lights, (at) => button(() => turn(at))).forEach((button, at) => {
      button.ariaPressed = lights[at];
      button.ariaLabel = `light ${at + 1}`;
    });
  },
};

open();
