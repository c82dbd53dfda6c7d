// @ts-check
// The little that this page needs of a view library: elements, and lists that keep their rows.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] properties; `class`, `data-…`, `aria-…` and `role` are attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (/^(class|data-|aria-|role$|scope$|for$)/.test(name)) {
      element.setAttribute(name, String(value));
    } else {
      Object.assign(element, { [name]: value });
    }
  }
  element.append(...children);
  return element;
}

/**
 * An element of the page that must be there.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return /** @type {T} */ (element);
}

/**
 * Writes only what differs, so that a selection or a focus survives the next second.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value `null` takes it away
 */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @template Item
 * @typedef {{ element: HTMLElement, update: (item: Item) => void }} Row
 */

/**
 * A list whose rows live as long as their items.
 * @template Item
 * @param {HTMLElement} parent
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Row<Item>} makeRow
 * @returns {(items: readonly Item[]) => void}
 */
export function keyedList(parent, keyOf, makeRow) {
  /** @type {Map<string, Row<Item>>} */
  const rows = new Map();
  return (items) => {
    const wanted = new Set(items.map(keyOf));
    for (const [key, row] of rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    // Not the parent's first child: a table has its head before its rows.
    let before = parent.querySelector(':scope > [data-key]');
    for (const item of items) {
      const key = keyOf(item);
      const row = rows.get(key) ?? makeRow(item);
      rows.set(key, row);
      row.element.dataset.key = key;
      row.update(item);
      if (row.element === before) before = before.nextElementSibling;
      else parent.insertBefore(row.element, before);
    }
  };
}

/**
 * @typedef {{ label: string, number?: boolean, wide?: boolean }} Column `wide`: a line of its own on a phone
 * @param {HTMLElement} parent
 * @param {string} caption read out, not shown
 * @param {readonly Column[]} columns
 * @returns {{ body: HTMLElement, show: (visible: boolean) => void }}
 */
export function makeTable(parent, caption, columns) {
  const headings = columns.map(({ label, number }) =>
    h('th', { scope: 'col', class: number ? 'number' : '' }, label),
  );
  const body = h('tbody');
  const table = h(
    'table',
    {},
    h('caption', { class: 'unseen' }, caption),
    h('thead', {}, h('tr', {}, ...headings)),
    body,
  );
  table.hidden = true;
  parent.append(table);
  return {
    body,
    show: (visible) => {
      table.hidden = !visible;
    },
  };
}

/**
 * The cells of a row; on a narrow screen each shows its column's name.
 * @param {readonly Column[]} columns
 * @returns {{ row: HTMLElement, cells: HTMLElement[] }}
 */
export function makeCells(columns) {
  const cells = columns.map(({ label, number, wide }) =>
    h('td', { 'data-label': label, class: number ? 'number' : wide ? 'line' : '' }),
  );
  return { row: h('tr', {}, ...cells), cells };
}

/** ms in which the second press must come. */
const SURE_MS = 4_000;

/**
 * A button for what cannot be undone: the first press asks, the second does it.
 * @param {string} label
 * @param {string} question
 * @param {() => Promise<void>} act
 */
export function sureButton(label, question, act) {
  const button = /** @type {HTMLButtonElement} */ (h('button', { type: 'button' }, label));
  /** @type {number | undefined} */
  let timer;
  const calm = () => {
    clearTimeout(timer);
    timer = undefined;
    setText(button, label);
    button.classList.remove('sure');
  };
  button.addEventListener('click', () => {
    if (timer === undefined) {
      setText(button, question);
      button.classList.add('sure');
      timer = window.setTimeout(calm, SURE_MS);
      return;
    }
    calm();
    void busy(button, act);
  });
  button.addEventListener('blur', calm);
  return button;
}

/**
 * @param {string} label
 * @param {() => Promise<void> | void} act
 */
export function plainButton(label, act) {
  const button = /** @type {HTMLButtonElement} */ (h('button', { type: 'button' }, label));
  button.addEventListener('click', () => void busy(button, act));
  return button;
}

/**
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void> | void} act
 */
async function busy(button, act) {
  button.disabled = true;
  try {
    await act();
  } finally {
    button.disabled = false;
  }
}
