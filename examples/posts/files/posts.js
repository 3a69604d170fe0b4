// What markup alone cannot do: changes that come twice, a list that grows for days, times of one's own,
// requests that fail and that nobody made.
(() => {
  const MOST_SHOWN = 200;

  // A stream may begin anew a little before where it ended, and another page shows other posts: one
  // that is shown is not created again, and one that is not cannot change.
  function isWanted({ change, post }) {
    const article = document.getElementById(post);
    if (change === 'created') return article === null && document.getElementById('posts') !== null;
    if (change === 'deleted' && article?.querySelector('form.edit')) {
      // What is being typed is not taken away; the stylesheet does the rest.
      article.classList.add('deleted');
      return false;
    }
    return article !== null;
  }

  document.addEventListener('htmx:sse:before:message', (event) => {
    const { data, event: name } = event.detail.message;
    if (name === 'notified') {
      event.preventDefault();
      notified(data);
    }
    // Only changes are without a name.
    if (name) return;
    const message = new DOMParser().parseFromString(data, 'text/html').body.firstElementChild;
    if (!isWanted(message.dataset)) event.preventDefault();
  });

  // For this visitor alone; one that the page already shows may come again.
  function notified(html) {
    const notification = new DOMParser().parseFromString(html, 'text/html').body.firstElementChild;
    if (document.getElementById(notification.id)) return;
    document.getElementById('notifications').prepend(notification);
  }

  function trim(posts) {
    while (posts.childElementCount > MOST_SHOWN && !posts.lastElementChild.querySelector('form.edit')) {
      posts.lastElementChild.remove();
      const older = document.getElementById('older');
      older.elements.before.value = posts.lastElementChild.dataset.number;
      older.hidden = false;
    }
  }

  document.addEventListener('htmx:after:swap', () => {
    const posts = document.getElementById('posts');
    if (posts) trim(posts);
    localise();
  });

  function localise() {
    for (const time of document.querySelectorAll('time:not([title])')) {
      const date = new Date(time.dateTime);
      time.title = date.toLocaleString();
      time.textContent = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
    }
  }

  function notify(sentence) {
    const paragraph = document.createElement('p');
    paragraph.textContent = sentence;
    document.getElementById('notice').replaceChildren(paragraph);
  }

  // Focus is given to a field when it comes, and not again when the posts around it are shown anew.
  document.addEventListener('focusin', ({ target }) => target.removeAttribute('autofocus'));

  // After a gap all windows may ask at once, so each waits for a time of its own.
  document.addEventListener('htmx:finally:request', ({ detail: { ctx } }) => {
    if (ctx.sourceElement.id !== 'reload' || ctx.response?.raw.ok) return;
    setTimeout(() => htmx.trigger('#live', 'gap'), 1_000 + 4_000 * Math.random());
  });

  document.addEventListener('htmx:error', ({ detail: { ctx } }) => {
    // These are repeated without anybody's help.
    if (['live', 'reload'].includes(ctx?.sourceElement.id)) return;
    notify('The server cannot be reached. What you typed is still there; try again.');
  });

  document.addEventListener('click', (event) => {
    const cancel = event.target.closest('.edit .cancel');
    if (!cancel) return;
    event.preventDefault();
    cancel.closest('.edit').remove();
  });

  localise();
})();
