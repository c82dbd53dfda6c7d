// @ts-check
// Puts the page together: one snapshot a second goes to every part of it.
import { ApiError, listen, request } from './api.js';
import { makeCharts } from './charts.js';
import { byId, setAttribute, setText } from './dom.js';
import { makeEngines } from './engines.js';
import { counted } from './format.js';
import { makeKeyDialog } from './key-dialog.js';
import { makePlayer } from './player.js';
import { makePlayers } from './players.js';
import { makeStreams } from './streams.js';
import { makeFacts, makeRedis, makeWorkers } from './workers.js';

/** ms that a notice stays. */
const NOTICE_MS = 6_000;
const WRONG_KEY = 'The key is not the right one.';

let noticeTimer = 0;
/** @param {string} text */
function notice(text) {
  const element = byId('notice');
  setText(element, text);
  element.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = window.setTimeout(() => {
    element.hidden = true;
  }, NOTICE_MS);
}

/**
 * A request that needs the key: asks for it where it is missing or wrong, and then tries again.
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 */
async function manage(method, path, body) {
  for (;;) {
    try {
      await request(method, path, body);
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.needsKey) throw error;
      const wrong = error.status === 403;
      if (wrong) dialog.forget();
      if (!(await dialog.ask(wrong ? WRONG_KEY : ''))) throw error;
    }
  }
}

/** The same, with the failure as a notice. @param {Parameters<typeof manage>} call */
async function act(...call) {
  try {
    await manage(...call);
  } catch (error) {
    notice(error instanceof Error ? error.message : String(error));
  }
}

const dialog = makeKeyDialog({ onChange: () => line.reconnect() });
const player = makePlayer();
const engine = (/** @type {string} */ id) => `engines/${encodeURIComponent(id)}`;
const parts = [
  makeOverview(),
  makeCharts(),
  makeStreams({
    watch: (key) => void player.watch(key),
    stop: (key) => act('DELETE', `streams/${key}`),
  }),
  makePlayers({ kick: (stream, client) => act('DELETE', `streams/${stream}/clients/${client}`) }),
  makeEngines({
    drain: (id, draining) => act(draining ? 'POST' : 'DELETE', `${engine(id)}/drain`),
    remove: (id) => act('DELETE', engine(id)),
    add: (body) => manage('POST', 'engines', body),
  }),
  makeWorkers(),
];
const showRedis = makeRedis();

const line = listen({
  onSnapshot: (snapshot) => {
    const main = byId('main');
    setAttribute(main, 'aria-busy', 'false');
    showRedis(snapshot);
    // What was last known stays, greyed, while Redis is away.
    main.classList.toggle('stale', !snapshot.redis.available);
    if (!snapshot.redis.available) {
      showLink('warn', 'Redis does not answer');
      return;
    }
    showLink('good', 'live');
    for (const update of parts) update(snapshot);
  },
  onLink: (live, why) => {
    if (live) return;
    byId('main').classList.add('stale');
    showLink('bad', why);
  },
  onKeyNeeded: (wrong) => {
    if (wrong) dialog.forget();
    void dialog.ask(wrong ? WRONG_KEY : 'This proxy shows nothing without its key.');
  },
});

/** @param {'good' | 'warn' | 'bad'} tone @param {string} text */
function showLink(tone, text) {
  const link = byId('link');
  setAttribute(link, 'data-tone', tone);
  setText(/** @type {Node} */ (link.lastElementChild), text);
}

function makeOverview() {
  const show = makeFacts('facts', ['Streams', 'Players', 'Engines up', 'Workers']);
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ streams = [], engines = [], workers = [] }) => {
    const players = streams.reduce((sum, { clients }) => sum + clients, 0);
    const fit = engines.filter(({ healthy }) => healthy).length;
    show([
      String(streams.length),
      String(players),
      `${String(fit)} / ${String(engines.length)}`,
      String(workers.length),
    ]);
    setText(byId('counts'), `${counted(streams.length, 'stream')}, ${counted(players, 'player')}`);
  };
}
