// @ts-check
import { byId, h, keyedList, makeCells, makeTable, setAttribute, setText } from './dom.js';
import { lasting, NOTHING, rate, shortWorker, size } from './format.js';

const COLUMNS = [
  { label: 'Worker' },
  { label: 'Players', number: true },
  { label: 'Streams', number: true },
  { label: 'To players', number: true },
  { label: 'Loop delay', number: true },
  { label: 'Memory', number: true },
  { label: 'Heartbeat', number: true },
];

export function makeWorkers() {
  const table = makeTable(byId('workers'), 'Workers', COLUMNS);
  let now = 0;
  const list = keyedList(
    table.body,
    (/** @type {import('./types.js').Worker} */ worker) => worker.id,
    (worker) => makeWorker(worker, () => now),
  );
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ at, workers = [] }) => {
    now = at;
    table.show(workers.length > 0);
    list(workers);
  };
}

/** @param {import('./types.js').Worker} worker @param {() => number} now */
function makeWorker({ id }, now) {
  const { row, cells } = makeCells(COLUMNS);
  const [name, players, streams, speed, delay, memory, beat] = cells;
  setText(name, shortWorker(id));
  setAttribute(name, 'title', id);
  const number = (/** @type {number | null} */ value) => (value === null ? NOTHING : String(value));
  return {
    element: row,
    /** @param {import('./types.js').Worker} worker */
    update: (worker) => {
      setText(players, String(worker.clients));
      setText(streams, number(worker.streams));
      setText(speed, worker.rate_KBps === null ? NOTHING : rate(worker.rate_KBps * 8_000));
      setText(
        delay,
        worker.event_loop_lag_ms === null ? NOTHING : `${String(worker.event_loop_lag_ms)} ms`,
      );
      setText(memory, size(worker.rss_bytes));
      setText(beat, worker.at === null ? NOTHING : `${lasting(now() - worker.at)} ago`);
    },
  };
}

/**
 * Name and value pairs that keep their places.
 * @param {string} id of the `dl`
 * @param {readonly string[]} names
 * @returns {(values: readonly string[]) => void}
 */
export function makeFacts(id, names) {
  const values = names.map(() => h('dd', {}, NOTHING));
  byId(id).append(...names.map((name, at) => h('div', {}, h('dt', {}, name), values[at])));
  return (texts) => texts.forEach((text, at) => setText(values[at], text));
}

export function makeRedis() {
  const show = makeFacts('redis', [
    'State',
    'Round trip',
    'Memory',
    'Commands',
    'Connections',
    'Up for',
    'Version',
  ]);
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ at, redis }) => {
    if (!redis.available) {
      show([`away for ${lasting(at - (redis.since ?? at))}`, ...Array(6).fill(NOTHING)]);
      return;
    }
    const limit = redis.max_bytes ? ` of ${size(redis.max_bytes)}` : '';
    show([
      'answers',
      `${String(redis.latency_ms)} ms`,
      `${size(redis.used_bytes)}${limit}`,
      `${String(redis.commands_per_second ?? NOTHING)} /s`,
      String(redis.connections ?? NOTHING),
      lasting((redis.uptime_seconds ?? 0) * 1_000),
      redis.version ?? NOTHING,
    ]);
  };
}
