// @ts-check
// Everything that crosses the line: the key, requests, and the events of every second.

const STORED = 'ace-panel-key';
/** ms without a byte after which the line counts as dead; a heartbeat comes every second. */
const SILENCE_MS = 6_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

export const key = {
  get: () => sessionStorage.getItem(STORED),
  /** @param {string | null} value */
  set: (value) => {
    if (value === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, value);
  },
};

/** An answer of 4xx or 5xx; `message` is for people. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** The key is missing or wrong. */
  get needsKey() {
    return this.status === 401 || this.status === 403;
  }
}

/** @returns {Record<string, string>} */
export function authorization() {
  const value = key.get();
  return value === null ? {} : { Authorization: `Bearer ${value}` };
}

/** @param {Response} answer */
async function toError(answer) {
  /** @type {{ error?: { message?: string, reason?: string, reasons?: string[] } }} */
  const body = await answer.json().catch(() => ({}));
  const { message, reason, reasons } = body.error ?? {};
  const detail = reasons?.join('; ') ?? reason;
  const text = message ?? `the answer was ${String(answer.status)}`;
  return new ApiError(answer.status, detail === undefined ? text : `${text} (${detail})`);
}

/**
 * @param {string} method
 * @param {string} path relative to the page
 * @param {object} [body]
 */
export async function request(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: {
      ...authorization(),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw await toError(answer);
  return /** @type {unknown} */ (await answer.json());
}

/**
 * @typedef {object} EventHandlers
 * @property {(snapshot: import('./types.js').Snapshot) => void} onSnapshot
 * @property {(live: boolean, why: string) => void} onLink
 * @property {(wrong: boolean) => void} onKeyNeeded the events stop until `reconnect`
 */

/**
 * Listens for ever. EventSource cannot send the key, hence a fetch that is read as it comes.
 * @param {EventHandlers} handlers
 * @returns {{ reconnect: () => void }}
 */
export function listen(handlers) {
  let generation = 0;
  let abort = new AbortController();

  const run = async () => {
    const mine = ++generation;
    let pause = FIRST_PAUSE_MS;
    while (mine === generation) {
      abort = new AbortController();
      try {
        await readEvents(abort, (snapshot) => {
          if (mine !== generation) return;
          pause = FIRST_PAUSE_MS;
          handlers.onLink(true, '');
          handlers.onSnapshot(snapshot);
        });
        if (mine === generation) handlers.onLink(false, 'the worker has ended the line');
      } catch (thrown) {
        if (mine !== generation) return;
        if (thrown instanceof ApiError && thrown.needsKey) {
          handlers.onLink(false, 'waits for the key');
          handlers.onKeyNeeded(thrown.status === 403);
          return;
        }
        handlers.onLink(false, thrown instanceof ApiError ? thrown.message : 'no connection');
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
  };

  const reconnect = () => {
    abort.abort();
    void run();
  };
  void run();
  return { reconnect };
}

/**
 * One line; resolves when the other side ends it.
 * @param {AbortController} abort
 * @param {(snapshot: import('./types.js').Snapshot) => void} onSnapshot
 */
async function readEvents(abort, onSnapshot) {
  let watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const answer = await fetch('events', { headers: authorization(), signal: abort.signal });
    if (!answer.ok || answer.body === null) throw await toError(answer);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^event: snapshot\ndata: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) onSnapshot(JSON.parse(data));
      }
    }
  } finally {
    clearTimeout(watchdog);
  }
}
