// @ts-check
import { key } from './api.js';
import { byId, setText } from './dom.js';

/**
 * Asks for the key, once: it stays in the tab.
 * @param {{ onChange: () => void }} handlers called after the key was set or forgotten
 */
export function makeKeyDialog({ onChange }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('key-dialog'));
  const form = /** @type {HTMLFormElement} */ (byId('key-form'));
  const fault = /** @type {HTMLElement} */ (form.querySelector('.fault'));
  const button = byId('key');
  /** @type {((given: boolean) => void)[]} */
  let waiting = [];

  const settle = (/** @type {boolean} */ given) => {
    const all = waiting;
    waiting = [];
    for (const resolve of all) resolve(given);
  };
  const showButton = () => setText(button, key.get() === null ? 'Enter key' : 'Forget key');

  /** @param {string} [why] resolves to whether a key was given */
  const ask = (why = '') =>
    /** @type {Promise<boolean>} */ (
      new Promise((resolve) => {
        waiting.push(resolve);
        setText(fault, why);
        fault.hidden = why === '';
        if (!dialog.open) dialog.showModal();
      })
    );

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = String(new FormData(form).get('key') ?? '').trim();
    if (given === '') return;
    key.set(given);
    form.reset();
    dialog.close();
    showButton();
    settle(true);
    onChange();
  });
  byId('key-cancel').addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => settle(false));
  button.addEventListener('click', () => {
    if (key.get() === null) {
      void ask();
      return;
    }
    key.set(null);
    showButton();
    onChange();
  });
  byId('players-key').addEventListener('click', () => void ask());
  showButton();
  return {
    ask,
    /** The key that the proxy refused is not tried again. */
    forget: () => {
      key.set(null);
      showButton();
    },
  };
}
