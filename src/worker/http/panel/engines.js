// @ts-check
import {
  byId,
  h,
  keyedList,
  makeCells,
  makeTable,
  plainButton,
  setAttribute,
  setText,
  sureButton,
} from './dom.js';
import { counted, NOTHING } from './format.js';

const COLUMNS = [
  { label: 'Engine' },
  { label: 'Address', wide: true },
  { label: 'Health' },
  { label: 'Load', number: true },
  { label: 'Score', number: true },
  { label: 'Forwarded' },
  { label: 'Source' },
  { label: '' },
];

/**
 * @typedef {object} EngineActions
 * @property {(id: string, draining: boolean) => Promise<void>} drain
 * @property {(id: string) => Promise<void>} remove
 * @property {(engine: object) => Promise<void>} add rejects with what to tell
 */

/** @param {EngineActions} actions */
export function makeEngines(actions) {
  const empty = h('p', { class: 'empty' }, 'No engine is registered: no stream can start.');
  empty.hidden = true;
  byId('engines').append(empty);
  const table = makeTable(byId('engines'), 'Engines', COLUMNS);
  const list = keyedList(
    table.body,
    (/** @type {import('./types.js').Engine} */ engine) => engine.id,
    (engine) => makeEngine(engine, actions),
  );
  makeForm(actions);
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ engines = [] }) => {
    empty.hidden = engines.length > 0;
    table.show(engines.length > 0);
    list([...engines].sort((a, b) => a.id.localeCompare(b.id)));
  };
}

/** @param {import('./types.js').Engine} engine @param {EngineActions} actions */
function makeEngine({ id }, actions) {
  const { row, cells } = makeCells(COLUMNS);
  const [name, address, health, load, score, forwarded, source, buttons] = cells;
  const badge = h('span', { class: 'badge' });
  const why = h('span', { class: 'quiet' });
  const count = h('span', { class: 'value' });
  const meter = /** @type {HTMLMeterElement} */ (h('meter', { 'aria-label': 'Load', min: 0 }));
  let draining = false;
  const drain = plainButton('Drain', () => actions.drain(id, !draining));
  setText(name, id);
  health.append(badge, ' ', why);
  load.append(count, meter);
  buttons.classList.add('actions');
  buttons.append(
    drain,
    sureButton('Remove', 'Remove it?', () => actions.remove(id)),
  );
  return {
    element: row,
    /** @param {import('./types.js').Engine} engine */
    update: (engine) => {
      draining = engine.draining;
      setText(address, `${engine.host}:${String(engine.port)}`);
      const [word, tone] = fitness(engine);
      setText(badge, word);
      setAttribute(badge, 'data-tone', tone);
      setText(why, engine.healthy || engine.last_error === null ? '' : engine.last_error);
      setAttribute(why, 'title', counted(engine.failures, 'failure'));
      setText(count, `${String(engine.load)} / ${String(engine.max_streams)}`);
      meter.max = engine.max_streams;
      meter.value = engine.load;
      setText(score, engine.score.toFixed(2));
      setText(forwarded, engine.forwarded ? 'yes' : 'no');
      setText(source, engine.source.split(':')[0] || NOTHING);
      setAttribute(source, 'title', engine.source);
      setText(drain, draining ? 'Take up' : 'Drain');
    },
  };
}

/** @param {import('./types.js').Engine} engine */
function fitness({ healthy, draining, withheld, load, max_streams: most }) {
  if (!healthy) return ['unhealthy', 'bad'];
  if (draining) return ['draining', 'warn'];
  if (withheld) return ['withheld', 'warn'];
  return load >= most ? ['full', 'calm'] : ['healthy', 'good'];
}

/** @param {EngineActions} actions */
function makeForm(actions) {
  const form = /** @type {HTMLFormElement} */ (byId('add-engine'));
  const fault = /** @type {HTMLElement} */ (form.querySelector('.fault'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const text = (/** @type {string} */ name) => String(data.get(name) ?? '').trim();
    const engine = {
      host: text('host'),
      port: Number(text('port')),
      forwarded: data.has('forwarded'),
      ...(text('id') !== '' && { id: text('id') }),
      ...(text('max') !== '' && { max: Number(text('max')) }),
    };
    fault.hidden = true;
    actions.add(engine).then(
      () => form.reset(),
      (/** @type {Error} */ error) => {
        setText(fault, error.message);
        fault.hidden = false;
      },
    );
  });
}
