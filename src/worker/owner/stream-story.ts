import type { Clock } from '../../shared/clock.js';
import { STORY_LENGTH, type StoryEntry } from '../../shared/inspect/story.js';
import type { EngineEnd } from '../contracts.js';

export interface StreamStoryOptions {
  /** Adds entries to the list in Redis; rejects while it is away. */
  readonly tell: (entries: readonly StoryEntry[]) => Promise<unknown>;
  readonly clock: Clock;
  /** Whether the owner before left media behind: this is a takeover. */
  readonly takeover: { readonly from: string | null } | null;
}

/**
 * What happened to the stream and why, in the words of the panel's line of explanation. It draws its
 * conclusions from what the owner sees; nothing depends on it, and Redis may be away at any time.
 */
export class StreamStory {
  readonly #options: StreamStoryOptions;
  #kept: StoryEntry[] = [];
  #unsaved: StoryEntry[] = [];
  #saving: Promise<void> | null = null;
  #closed = false;
  /** Monotonic ms from which the next media is counted: the begin, or the fault. */
  #waitingSince: number;
  #engine: string | null = null;
  /** Between a fault and whatever is tried next. */
  #faulted = false;
  #flowing = false;
  #doubtAt: number | null = null;

  constructor(options: StreamStoryOptions) {
    this.#options = options;
    this.#waitingSince = options.clock.monotonic();
    const { takeover } = options;
    if (takeover === null) this.#add('started', 'the first player asked for it');
    else if (takeover.from !== null) {
      this.#add('another worker took over', `the lock of ${takeover.from} ran out`);
    } else this.#add('another worker took over', 'the owner before ended, or gave it away');
  }

  /** The newest entries, for what is remembered of an ended stream. */
  recent(count: number): readonly StoryEntry[] {
    return this.#kept.slice(-count);
  }

  connecting(engine: string, alternatives: number): void {
    const free = `${String(alternatives)} other engines free`;
    if (this.#engine === null) this.#add(`asks engine ${engine}`, free);
    else if (this.#engine === engine) this.#add('new session', `on engine ${engine}`);
    else this.#add(`engine ${engine} instead`, `of ${this.#engine}; ${free}`);
    this.#engine = engine;
    this.#faulted = false;
  }

  /** A reader opens. */
  reading(): void {
    if (this.#faulted) this.#add('reconnect', 'the session may still be alive');
    this.#faulted = false;
    this.#flowing = false;
  }

  /** The connection of the owner before is read on: no player sees a change. */
  continuing(): void {
    this.#flowing = true;
    this.#add('goes on', 'on the same connection of the engine, byte for byte');
  }

  /** A chunk was cut. Called for each one: the first of a reader is what is told. */
  media(): void {
    if (this.#flowing) return;
    this.#flowing = true;
    const waited = this.#options.clock.monotonic() - this.#waitingSince;
    this.#add(`keyframe after ${seconds(waited)}`, 'the picture goes on from here');
  }

  /** `lastByteAt`: monotonic ms of the last byte of the reader that ended. */
  fault(end: EngineEnd, engine: string, lastByteAt: number | null): void {
    const now = this.#options.clock.monotonic();
    const silentSince = this.#flowing && lastByteAt !== null ? lastByteAt : this.#waitingSince;
    if (this.#flowing) this.#waitingSince = now;
    this.#flowing = false;
    this.#faulted = true;
    this.#engine ??= engine;
    this.#add(`engine ${engine} ${verb(end, now - silentSince)}`, end.message);
  }

  /** What the quality watch saw: it comes, or it has gone. */
  note(what: string, why: string): void {
    this.#add(what, why);
  }

  redisAway(): void {
    this.#doubtAt ??= this.#options.clock.monotonic();
    this.#add('Redis does not answer', 'the lock could not be renewed in time: own players only');
  }

  /** Every renewal: says that Redis is back where it was away, and writes what is owed. */
  renewed(): void {
    if (this.#doubtAt !== null) {
      const away = this.#options.clock.monotonic() - this.#doubtAt;
      this.#doubtAt = null;
      this.#add('Redis is back', `after ${seconds(away)}`);
    }
    void this.flush();
  }

  /** Redis came back empty: all that this owner knows is told again. */
  restored(): void {
    this.#doubtAt = null;
    this.#unsaved = [...this.#kept];
    this.#add('Redis came back empty', 'the stream is published again');
  }

  /** The last entry; resolves when Redis has it or is away. */
  async ending(reason: string): Promise<void> {
    this.#add('stops', reason);
    this.#closed = true;
    await this.flush();
  }

  /** Writes what Redis does not have yet; resolves when it is there or Redis is away. */
  flush(): Promise<void> {
    if (this.#saving === null && this.#unsaved.length > 0) this.#saving = this.#save();
    return this.#saving ?? Promise.resolve();
  }

  async #save(): Promise<void> {
    while (this.#unsaved.length > 0) {
      const entries = this.#unsaved;
      this.#unsaved = [];
      try {
        await this.#options.tell(entries);
      } catch {
        // Redis is away: the next renewal that works tries again.
        this.#unsaved = [...entries, ...this.#unsaved].slice(-STORY_LENGTH);
        break;
      }
    }
    this.#saving = null;
  }

  #add(what: string, why: string): void {
    if (this.#closed) return;
    const entry: StoryEntry = { at: this.#options.clock.now(), what, why };
    this.#kept = [...this.#kept, entry].slice(-STORY_LENGTH);
    this.#unsaved = [...this.#unsaved, entry].slice(-STORY_LENGTH);
    void this.flush();
  }
}

/** What an engine did, by the short word of the fault; `ms` without media until then. */
function verb({ reason }: EngineEnd, ms: number): string {
  const status = /^http-(\d+)$/.exec(reason)?.[1];
  if (status !== undefined) return `answered ${status}`;
  return VERBS.get(reason)?.(seconds(ms)) ?? `failed (${reason})`;
}

const noAnswer = (): string => 'does not answer';
const nothing = (time: string): string => `delivered nothing in ${time}`;
const VERBS: ReadonlyMap<string, (time: string) => string> = new Map([
  ['stall', (time) => `silent ${time}`],
  ['eof', () => 'ended the stream'],
  ['reset', () => 'cut the connection'],
  ['loop', () => 'plays old media again'],
  ['garbage', () => 'sends no MPEG-TS'],
  ['refused', () => 'refuses connections'],
  ['unreachable', noAnswer],
  ['connect-timeout', noAnswer],
  ['answer-timeout', noAnswer],
  ['header-timeout', nothing],
  ['no-peers', nothing],
  ['start-timeout', nothing],
  ['unknown-session', () => 'lost the session'],
  ['superseded', () => 'gave the session to somebody else'],
]);

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
