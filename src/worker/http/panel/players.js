// @ts-check
import { byId, keyedList, makeCells, makeTable, setAttribute, setText, sureButton } from './dom.js';
import {
  counted,
  lasting,
  NOTHING,
  rate,
  seconds,
  shortAgent,
  shortKey,
  shortWorker,
  size,
} from './format.js';

const COLUMNS = [
  { label: 'Address' },
  { label: 'User' },
  { label: 'Player', wide: true },
  { label: 'Stream', wide: true },
  { label: 'Worker' },
  { label: 'Behind', number: true },
  { label: 'Rate', number: true },
  { label: 'Skips', number: true },
  { label: 'Since', number: true },
  { label: '' },
];

/**
 * @typedef {{ kick: (stream: string, client: string) => Promise<void> }} PlayerActions
 * @param {PlayerActions} actions
 */
export function makePlayers(actions) {
  const table = makeTable(byId('players'), 'Players', COLUMNS);
  const locked = byId('players-locked');
  const note = byId('players-note');
  let now = 0;
  const list = keyedList(
    table.body,
    (/** @type {import('./types.js').Client} */ client) => client.id,
    (client) => makePlayer(client, actions, () => now),
  );
  /** @param {import('./types.js').Snapshot} snapshot */
  return ({ at, clients, streams = [] }) => {
    now = at;
    locked.hidden = clients !== undefined;
    table.show(clients !== undefined && clients.length > 0);
    list(clients ?? []);
    const all = streams.reduce((sum, stream) => sum + stream.clients, 0);
    const shown = clients?.length ?? 0;
    setText(
      note,
      shown > 0 && shown < all
        ? `${String(shown)} of ${counted(all, 'player')}`
        : counted(all, 'player'),
    );
  };
}

/**
 * @param {import('./types.js').Client} client
 * @param {PlayerActions} actions
 * @param {() => number} now
 */
function makePlayer({ id, stream }, actions, now) {
  const { row, cells } = makeCells(COLUMNS);
  const [address, user, agent, key, worker, behind, speed, skips, since, buttons] = cells;
  buttons.classList.add('actions');
  buttons.append(sureButton('Kick', 'Disconnect?', () => actions.kick(stream, id)));
  setText(key, shortKey(stream));
  setAttribute(key, 'title', stream);
  return {
    element: row,
    /** @param {import('./types.js').Client} client */
    update: (client) => {
      // Before its first heartbeat nobody has measured anything.
      const measured = client.bytes_sent > 0;
      setText(address, client.ip_address ?? NOTHING);
      setText(user, client.user ?? NOTHING);
      setText(agent, shortAgent(client.user_agent));
      setAttribute(agent, 'title', client.user_agent ?? '');
      setText(worker, shortWorker(client.worker_id));
      setText(
        behind,
        measured && client.behind_ms !== null ? seconds(client.behind_ms / 1_000) : NOTHING,
      );
      setText(speed, measured ? rate(client.current_rate_KBps * 8_000) : NOTHING);
      setAttribute(speed, 'title', `${size(client.bytes_sent)} in all`);
      setText(skips, String(client.skips));
      setText(since, client.connected_at === null ? NOTHING : lasting(now() - client.connected_at));
    },
  };
}
