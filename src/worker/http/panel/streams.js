// @ts-check
import {
  byId,
  h,
  keyedList,
  makeCells,
  plainButton,
  setAttribute,
  setText,
  sureButton,
} from './dom.js';
import { clock, counted, NOTHING, rate, seconds, shortKey, shortWorker, size } from './format.js';
import { makeSpark } from './history.js';
import { entryLine, explain, makeStory } from './story.js';

const COLUMNS = [
  { label: 'Stream' },
  { label: 'State' },
  { label: 'Engine' },
  { label: 'Owner' },
  { label: 'Players', number: true },
  { label: 'Bitrate', number: true },
  { label: 'Ring', number: true },
  { label: 'Quality', wide: true },
  { label: '' },
];

/** How a state is coloured; the word itself is always there. */
const TONES = new Map([
  ['active', 'good'],
  ['waiting_for_clients', 'calm'],
  ['error', 'bad'],
  ['stopping', 'warn'],
]);

/** How a grade is coloured. */
const GRADES = new Map([
  ['good', 'good'],
  ['fair', 'warn'],
  ['bad', 'bad'],
]);

/** @param {import('./types.js').Stream} stream */
const stateOf = (stream) => (stream.stopping ? 'stopping' : (stream.state ?? 'unknown'));

/**
 * @typedef {{ watch: (key: string) => void, stop: (key: string) => Promise<void> }} StreamActions
 * @param {StreamActions} actions
 */
export function makeStreams(actions) {
  const parent = byId('streams');
  const empty = h(
    'p',
    { class: 'empty' },
    'No stream is running. One starts with its first player.',
  );
  const table = h(
    'table',
    { class: 'grouped' },
    h('caption', { class: 'unseen' }, 'Streams'),
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...COLUMNS.map(({ label, number = false }) =>
          h('th', { scope: 'col', class: number ? 'number' : '' }, label),
        ),
      ),
    ),
  );
  empty.hidden = true;
  table.hidden = true;
  parent.append(empty, table);
  let now = 0;
  const list = keyedList(
    table,
    (/** @type {import('./types.js').Stream} */ stream) => stream.key,
    (stream) => makeStream(stream, actions, () => now),
  );
  const showEnded = makeEnded();
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ at, streams = [], ended = [] }) => {
    now = at;
    empty.hidden = streams.length > 0;
    table.hidden = streams.length === 0;
    list(streams);
    showEnded(ended);
  };
}

/**
 * @param {import('./types.js').Stream} first
 * @param {StreamActions} actions
 * @param {() => number} now
 */
function makeStream({ key }, actions, now) {
  const { row, cells } = makeCells(COLUMNS);
  const [name, state, engine, owner, players, bitrate, ring, quality, buttons] = cells;
  const badge = h('span', { class: 'badge' });
  const count = h('span', { class: 'value' });
  const speed = h('span', { class: 'value' });
  const playersLine = makeSpark('Players');
  const bitrateLine = makeSpark('Bitrate');
  const story = makeStory();
  const showQuality = makeQuality(quality);
  name.append(h('code', { title: key }, shortKey(key)));
  state.append(badge);
  players.append(count, playersLine.element);
  bitrate.append(speed, bitrateLine.element);
  buttons.classList.add('actions');
  buttons.append(
    plainButton('Watch', () => actions.watch(key)),
    sureButton('Stop', 'Stop for all?', () => actions.stop(key)),
  );
  const wide = h('td', { class: 'wide' }, story.element);
  setAttribute(wide, 'colspan', String(COLUMNS.length));
  return {
    element: h('tbody', {}, row, h('tr', { class: 'below' }, wide)),
    /** @param {import('./types.js').Stream} stream */
    update: (stream) => {
      const shown = stateOf(stream);
      setText(badge, shown.replaceAll('_', ' '));
      setAttribute(badge, 'data-tone', TONES.get(shown) ?? 'warn');
      setText(engine, stream.container_id ?? NOTHING);
      setAttribute(
        engine,
        'title',
        `${stream.engine_host ?? ''}:${String(stream.engine_port ?? '')}`,
      );
      setText(owner, shortWorker(stream.owner));
      setAttribute(
        owner,
        'title',
        `${stream.owner ?? 'nobody'}, term ${String(stream.term ?? NOTHING)}`,
      );
      setText(count, String(stream.clients));
      playersLine.push(now(), stream.clients);
      setText(speed, rate(stream.bitrate));
      bitrateLine.push(now(), stream.bitrate);
      setText(ring, seconds(stream.ring_seconds));
      setAttribute(
        ring,
        'title',
        `${size(stream.ring_bytes)}, head ${String(stream.head ?? NOTHING)}`,
      );
      showQuality(stream);
      story.update(stream.story, now());
    },
  };
}

/** @param {HTMLElement} cell */
function makeQuality(cell) {
  const badge = h('span', { class: 'badge' });
  const note = h('span', { class: 'quiet faults' });
  cell.append(badge, note);
  /** @param {import('./types.js').Stream} stream */
  return (stream) => {
    const { grade, faults, losses_per_minute: lost } = stream;
    setText(badge, grade ?? NOTHING);
    setAttribute(badge, 'data-tone', GRADES.get(grade ?? '') ?? 'calm');
    const perMinute = lost > 0 ? [`${counted(lost, 'loss', 'losses')} a minute`] : [];
    const counters = countersOf(stream);
    const found = counters.flatMap(({ count, text }) => (count > 0 ? [text] : []));
    setText(
      note,
      [...faults.map((fault) => fault.replaceAll('_', ' ')), ...perMinute, ...found].join(', '),
    );
    const all = counters.map(({ text }) => text);
    setAttribute(cell, 'title', [...all, ...moreOf(stream)].join(', '));
  };
}

/** Since the stream began. @param {import('./types.js').Stream} stream */
function countersOf({ continuity_errors: lost, sync_losses: sync, splices }) {
  return [
    { count: lost, text: counted(lost, 'continuity error') },
    { count: sync, text: counted(sync, 'sync loss', 'sync losses') },
    { count: splices, text: counted(splices, 'splice') },
  ];
}

/** @param {import('./types.js').Stream} stream */
function moreOf({ pcr_interval_max_ms: interval, pcr_jitter_ms: jitter, error_message: error }) {
  return [
    ...(interval === null ? [] : [`clock every ${String(interval)} ms at most`]),
    ...(jitter === null ? [] : [`jitter ${String(jitter)} ms`]),
    ...(error === null ? [] : [error]),
  ];
}

function makeEnded() {
  const box = byId('ended-box');
  const list = keyedList(
    byId('ended'),
    (/** @type {import('./types.js').Ended} */ stream) => `${stream.key} ${stream.ended_at ?? ''}`,
    makeEndedRow,
  );
  /** @param {readonly import('./types.js').Ended[]} ended */
  return (ended) => {
    box.hidden = ended.length === 0;
    list(ended);
  };
}

/** An ended stream does not change any more. @param {import('./types.js').Ended} stream */
function makeEndedRow({ key, ended_at, container_id, error_message, story }) {
  const at = ended_at === null ? null : Date.parse(ended_at);
  const told = explain(story);
  const element = h(
    'li',
    {},
    h('span', { class: 'quiet' }, clock(at)),
    ' ',
    h('code', { title: key }, shortKey(key)),
    ' ',
    h('span', {}, container_id ?? NOTHING),
    ' ',
    h(
      'details',
      { class: 'story' },
      h('summary', {}, told === '' ? (error_message ?? 'ended') : told),
      h('ol', {}, ...[...story].reverse().map(entryLine)),
    ),
  );
  return { element, update: () => undefined };
}
