import { createHash } from 'node:crypto';
import type { Knobs } from './knobs.js';
import type { SeededRandom } from './random.js';

export type SelectorKind = 'content_id' | 'infohash';

/** Why a session ended; all but `stop` and `expired` are the engine's own doing. */
export type SessionEnd =
  'stop' | 'superseded' | 'replaced' | 'expired' | 'capacity' | 'cut' | 'restart' | 'reset';

export interface Session {
  /** Counts from 1 in each engine; the stamps carry it. */
  readonly ordinal: number;
  readonly content: string;
  readonly infohash: string;
  readonly token: string;
  readonly pid: string | null;
  readonly kind: SelectorKind;
  readonly startedAt: number;
  playbackSessionId: string;
  /** Names under `/content/<infohash>/` that lead to this session. */
  readonly contentNames: Set<string>;
  lastActivity: number;
  /** Overrides the inactivity knob (command set_player_activity_timeout). */
  inactivityMs: number | null;
  statPolls: number;
  downloaded: number;
  downloadedAt: number;
}

export interface StartRequest {
  content: string;
  infohash: string;
  kind: SelectorKind;
  pid: string | null;
  remoteIp: string;
}

export type StartOutcome =
  | { ok: true; session: Session; reused: boolean }
  | { ok: false; why: 'newer-download' | 'capacity-error' | 'capacity-hang' };

/** Proven for the address, a guess for the pid (engine-api 1.5). */
export function playerToken(pid: string | null, remoteIp: string): string {
  return createHash('md5')
    .update(pid ?? remoteIp)
    .digest('hex');
}

/** The engine's sessions and the rules by which one start ends others (engine-api 11.3). Knows no sockets. */
export class SessionTable {
  readonly #live = new Set<Session>();
  readonly #random: SeededRandom;
  readonly #onEnd: (session: Session, how: SessionEnd) => void;
  #ordinal = 0;

  constructor(random: SeededRandom, onEnd: (session: Session, how: SessionEnd) => void) {
    this.#random = random;
    this.#onEnd = onEnd;
  }

  get live(): readonly Session[] {
    return [...this.#live];
  }

  start(request: StartRequest, knobs: Readonly<Knobs>, nowMs: number): StartOutcome {
    const token = playerToken(request.pid, request.remoteIp);
    const same = this.live.find((s) => s.content === request.content && s.token === token);
    if (same && knobs.samePid === 'reuse') {
      same.playbackSessionId = this.#random.hex(40);
      return { ok: true, session: same, reused: true };
    }
    const others = this.live.filter((s) => s.content === request.content && s !== same);
    if (others.length > 0 && knobs.sameContent === 'reject')
      return { ok: false, why: 'newer-download' };
    if (same) this.end(same, 'replaced');
    for (const session of this.live) if (session.token === token) this.end(session, 'replaced');
    if (knobs.sameContent === 'supersede')
      for (const session of others) this.end(session, 'superseded');
    const refusal = this.#makeRoom(knobs);
    if (refusal) return refusal;
    return { ok: true, session: this.#create(request, token, nowMs), reused: false };
  }

  end(session: Session, how: SessionEnd): void {
    if (this.#live.delete(session)) this.#onEnd(session, how);
  }

  find(infohash: string, token: string): Session | undefined {
    return this.live.find((s) => s.infohash === infohash && s.token === token);
  }

  findByContentName(infohash: string, name: string): Session | undefined {
    return this.live.find((s) => s.infohash === infohash && s.contentNames.has(name));
  }

  #makeRoom(knobs: Readonly<Knobs>): Extract<StartOutcome, { ok: false }> | null {
    if (knobs.maxSessions === 0 || this.#live.size < knobs.maxSessions) return null;
    switch (knobs.capacityPolicy) {
      case 'error-json':
        return { ok: false, why: 'capacity-error' };
      case 'hang':
        return { ok: false, why: 'capacity-hang' };
      case 'kill-oldest': {
        const [oldest] = this.#live;
        if (oldest) this.end(oldest, 'capacity');
        return null;
      }
    }
  }

  #create(request: StartRequest, token: string, nowMs: number): Session {
    this.#ordinal += 1;
    const session: Session = {
      ordinal: this.#ordinal,
      content: request.content,
      infohash: request.infohash,
      token,
      pid: request.pid,
      kind: request.kind,
      startedAt: nowMs,
      playbackSessionId: this.#random.hex(40),
      contentNames: new Set(),
      lastActivity: nowMs,
      inactivityMs: null,
      statPolls: 0,
      downloaded: 0,
      downloadedAt: nowMs,
    };
    this.#live.add(session);
    return session;
  }
}
