// Takes the steps of a test in the page itself, in a browser without a driver, and notes what goes wrong meanwhile. It
// runs before the page's own scripts.
(() => {
  const errors = [];
  addEventListener('error', ({ message, target }) => errors.push(message ?? `${target.src ?? target.href} could not be loaded`), true);
  addEventListener('unhandledrejection', ({ reason }) => errors.push(`a rejected promise: ${reason}`));
  document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
    errors.push(`${effectiveDirective} refused ${blockedURI} at ${sourceFile}:${lineNumber}`);
  });
  for (const level of ['error', 'warn']) {
    const log = console[level];
    console[level] = (...words) => {
      errors.push(words.join(' '));
      log(...words);
    };
  }

  /** The first that has this text. */
  function one(selector, text = '') {
    const found = [...document.querySelectorAll(selector)].find(({ textContent }) => textContent.includes(text));
    if (!found) throw new Error('there is no such element');
    return found;
  }

  const steps = {
    click: (selector, text) => one(selector, text).click(),
    fill(selector, text) {
      const field = one(selector);
      field.focus();
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    },
    press: (selector, key) => one(selector).dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })),
    value: (selector) => one(selector).value,
    /** The texts of those that can be seen. */
    texts: (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility()).map(({ innerText }) => innerText),
    /** By how many pixels the page is wider than its window. */
    overflow: () => document.documentElement.scrollWidth - innerWidth,
  };

  function take([name, ...values]) {
    try {
      return { value: steps[name](...values) };
    } catch (error) {
      return { error: `${error}` };
    }
  }

  async function run() {
    for (let outcome = { isNew: true }; ;) {
      const reported = errors.length;
      try {
        const response = await fetch('/driver', { method: 'POST', body: JSON.stringify({ ...outcome, errors }) });
        outcome = take(await response.json());
        errors.splice(0, reported);
      } catch {
        // The test has cut the connection.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
  addEventListener('load', run);
})();
