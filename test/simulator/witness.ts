import type { RequestHead } from './http-wire.js';
import type { SelectorKind, Session, SessionEnd } from './session-table.js';

const SECOND = 1000;
const MINUTE = 60_000;

/** What one session went through. Times are wall-clock ms. */
export interface SessionRecord {
  ordinal: number;
  pid: string | null;
  token: string;
  content: string;
  kind: SelectorKind;
  startedAt: number;
  stoppedAt: number | null;
  how: SessionEnd | null;
  /** Also those that came after the end. */
  stopCommands: number;
  /** Playback connections: at once, and in all. */
  maxReaders: number;
  readersOpened: number;
  statPolls: number;
}

interface Watched {
  record: SessionRecord;
  readers: number;
  statTimes: number[];
}

/** Adds `now` to a sliding window and returns how many are in it. */
function countInWindow(times: number[], now: number, windowMs: number): number {
  times.push(now);
  while (times.length > 0 && times[0]! <= now - windowMs) times.shift();
  return times.length;
}

/** Watches who talks to the engine and writes down each breach of the rules of engine-api 11.8. */
export class Witness {
  /** Sessions made, starts asked for, and stop commands that met a session, by content. */
  readonly starts: Record<string, number> = {};
  readonly startRequests: Record<string, number> = {};
  readonly stops: Record<string, number> = {};
  /** Stop commands for sessions that were over or never were. */
  stopsUnknown = 0;
  readonly sessions: SessionRecord[] = [];
  maxReadersPerSession = 0;
  maxLiveSessionsPerContent = 0;
  statPerSecondMax = 0;
  startsPerMinuteMax = 0;
  readonly pidsReused: string[] = [];
  headRequests = 0;
  rangeRequests = 0;
  /** Connections to the address of another host that the engine named. */
  foreignContacts = 0;
  readonly encodings = new Set<string>();
  readonly hosts = new Set<string>();
  readonly violations: string[] = [];
  openSockets = 0;
  connections = 0;
  readonly #pids = new Set<string>();
  readonly #watched = new Map<number, Watched>();
  readonly #startTimes = new Map<string, number[]>();

  request(head: RequestHead, ownAddress: string): void {
    const host = head.headers.get('host') ?? '';
    const encoding = head.headers.get('accept-encoding') ?? '';
    this.hosts.add(host);
    this.encodings.add(encoding);
    if (host !== ownAddress) this.violation(`Host ${host} instead of ${ownAddress}`);
    if (encoding !== '' && encoding !== 'identity') this.violation(`Accept-Encoding ${encoding}`);
    if (head.method === 'HEAD') {
      this.headRequests += 1;
      this.violation(`HEAD ${head.path}`);
    }
    if (head.headers.has('range')) {
      this.rangeRequests += 1;
      this.violation(`Range on ${head.path}`);
    }
  }

  startRequest(content: string, pid: string | null, now: number, maxPerMinute: number): void {
    this.startRequests[content] = (this.startRequests[content] ?? 0) + 1;
    const times = this.#startTimes.get(content) ?? [];
    this.#startTimes.set(content, times);
    const perMinute = countInWindow(times, now, MINUTE);
    this.startsPerMinuteMax = Math.max(this.startsPerMinuteMax, perMinute);
    if (perMinute > maxPerMinute) this.violation(`${perMinute} starts of ${content} in a minute`);
    if (pid === null) {
      this.violation(`start of ${content} without a pid`);
    } else if (this.#pids.has(pid)) {
      this.pidsReused.push(pid);
      this.violation(`pid ${pid} used twice`);
    } else {
      this.#pids.add(pid);
    }
  }

  /** `liveBefore`: sessions of the same content when the start came in. */
  sessionStarted(session: Session, liveBefore: number): void {
    this.starts[session.content] = (this.starts[session.content] ?? 0) + 1;
    this.maxLiveSessionsPerContent = Math.max(this.maxLiveSessionsPerContent, liveBefore + 1);
    if (liveBefore > 0) this.violation(`${session.content} started while a session of it was live`);
    const record: SessionRecord = {
      ordinal: session.ordinal,
      pid: session.pid,
      token: session.token,
      content: session.content,
      kind: session.kind,
      startedAt: session.startedAt,
      stoppedAt: null,
      how: null,
      stopCommands: 0,
      maxReaders: 0,
      readersOpened: 0,
      statPolls: 0,
    };
    this.sessions.push(record);
    this.#watched.set(session.ordinal, { record, readers: 0, statTimes: [] });
  }

  /** A second start of the same player: the same session under another playback id. */
  sessionReused(session: Session): void {
    this.starts[session.content] = (this.starts[session.content] ?? 0) + 1;
  }

  sessionEnded(session: Session, how: SessionEnd, now: number): void {
    const record = this.#watched.get(session.ordinal)?.record;
    if (!record) return;
    record.stoppedAt = now;
    record.how = how;
    if (how === 'expired')
      this.violation(`session ${session.ordinal} of ${session.content} was never stopped`);
  }

  /** `session` is missing when it is over already or never was. */
  stopCommand(session: Session | undefined, token: string): void {
    const record = this.sessions.findLast((past) => past.token === token);
    if (record) record.stopCommands += 1;
    else this.violation(`stop for a session that never was: ${token}`);
    if (session) this.stops[session.content] = (this.stops[session.content] ?? 0) + 1;
    else this.stopsUnknown += 1;
  }

  readerOpened(session: Session): void {
    const watched = this.#watched.get(session.ordinal);
    if (!watched) return;
    watched.readers += 1;
    watched.record.readersOpened += 1;
    watched.record.maxReaders = Math.max(watched.record.maxReaders, watched.readers);
    this.maxReadersPerSession = Math.max(this.maxReadersPerSession, watched.readers);
    if (watched.readers > 1)
      this.violation(`${watched.readers} readers on session ${session.ordinal}`);
  }

  readerClosed(session: Session): void {
    const watched = this.#watched.get(session.ordinal);
    if (watched) watched.readers -= 1;
  }

  statPoll(session: Session, now: number, maxPerSecond: number): void {
    const watched = this.#watched.get(session.ordinal);
    if (!watched) return;
    watched.record.statPolls += 1;
    const perSecond = countInWindow(watched.statTimes, now, SECOND);
    this.statPerSecondMax = Math.max(this.statPerSecondMax, perSecond);
    if (perSecond > maxPerSecond)
      this.violation(`${perSecond} stat polls in a second on session ${session.ordinal}`);
  }

  foreignContact(what: string): void {
    this.foreignContacts += 1;
    this.violation(`contact with a foreign address: ${what}`);
  }

  violation(text: string): void {
    if (!this.violations.includes(text)) this.violations.push(text);
  }

  /** The books as plain JSON. */
  snapshot(): object {
    return {
      starts: this.starts,
      startRequests: this.startRequests,
      stops: this.stops,
      stopsUnknown: this.stopsUnknown,
      sessions: this.sessions,
      maxReadersPerSession: this.maxReadersPerSession,
      maxLiveSessionsPerContent: this.maxLiveSessionsPerContent,
      statPerSecondMax: this.statPerSecondMax,
      startsPerMinuteMax: this.startsPerMinuteMax,
      pidsReused: this.pidsReused,
      headRequests: this.headRequests,
      rangeRequests: this.rangeRequests,
      foreignContacts: this.foreignContacts,
      encodings: [...this.encodings],
      hosts: [...this.hosts],
      violations: this.violations,
      openSockets: this.openSockets,
      connections: this.connections,
    };
  }

  /** All that is wrong now: the violations, sessions still live and sockets still open. */
  faults(): string[] {
    const live = this.sessions
      .filter((record) => record.stoppedAt === null)
      .map((record) => `session ${record.ordinal} of ${record.content} is still live`);
    const sockets = this.openSockets > 0 ? [`${this.openSockets} sockets are still open`] : [];
    return [...this.violations, ...live, ...sockets];
  }
}
