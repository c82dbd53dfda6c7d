import type { KeyframeStyle } from './codecs.js';

/**
 * Everything that can be set on an engine or on one of its contents, at any time (engine-api 11.5).
 * Times end in `Ms` and are multiplied by `timeScale`; media runs in real time whatever the scale.
 * 0 switches a fault off. Values marked "guess" are not proven of real engines (engine-api 11.7).
 */
export interface Knobs {
  timeScale: number;
  version: '3.1.24' | '3.1.75' | '3.2.3' | '3.2.11';

  /** Which selector knows the hex; the other one is answered `failed to load content`. */
  kind: 'content_id' | 'infohash' | 'both';
  startDelayMs: number;
  badIdDelayMs: number;
  badInfohashDelayMs: number;
  startAnswer: StartAnswer;
  /** `startAnswer` holds for that many starts of a content, 0 = for all. */
  startAnswerTimes: number;
  /** What a client that went away while its start was under way leaves behind. */
  abortedStart: 'leak' | 'forget';

  /** Silence before the first byte; the engine has nothing yet. Real engines take 8.5 s and more. */
  prebufferMs: number;
  prebufferMode: 'withhold-status' | 'headers-then-silence' | 'redirect-then-silence';
  playbackOpen: PlaybackOpen;
  /** `playbackOpen` holds for that many openings of a content, 0 = for all. */
  playbackOpenTimes: number;
  redirects: number;
  redirectTarget: 'own' | 'foreign' | 'loop';
  redirectLength: 'none' | 'exact';
  /** The socket of a redirect stays open, so that who waits for the end of its body hangs. */
  redirectKeepOpen: boolean;
  /** `loopback` and `container-ip` name addresses nobody listens on; `wrong-port` names the trap. */
  hostMode: 'reflect' | 'loopback' | 'container-ip' | 'wrong-port' | 'relative' | 'https';
  /** `block` = accepted and silent; guess except `double-status-line` and `double-500`. */
  secondReader: 'double-status-line' | 'double-500' | 'block' | 'kick-first' | 'allow';
  framing: 'close' | 'chunked' | 'chunked-bad-size' | 'content-length-huge';
  /** Empty = no such header. */
  contentType: string;
  gzipBreaks: boolean;

  /** This and the next three are read when a content is first started and then stand. */
  source: 'stamped' | 'picture';
  /** bit/s. */
  bitrate: number;
  keyframes: KeyframeStyle;
  /** s between keyframes. */
  gop: number;
  /** s of media that a new reader gets at once. */
  burstSeconds: number;
  /** 1 = real time, 0 = as fast as the socket takes it. */
  speed: number;
  /** How often readers are fed; read when the engine starts. */
  tickMs: number;
  /** Bytes per second at most for one reader, also in the burst; 0 = no limit. */
  bandwidthCap: number;
  /** Where a later reader of a content begins: never before what was sent already, or a full burst back. */
  reopen: 'gap' | 'overlap';
  firstByteDelayMs: number;

  /** Playback faults below hit only that many readers of a content, 0 = all of them. */
  faultyReaders: number;
  stall: boolean;
  stallAfterMs: number;
  stallAfterBytes: number;
  resumeAfterMs: number;
  resumeMode: 'gap' | 'catch-up';
  eofAfterMs: number;
  /** Whole packets. */
  eofAfterBytes: number;
  /** The exact byte, aligned or not. */
  dropAtByte: number;
  closeMode: CloseMode;
  /** Bytes (1..187) of a cut packet that come first. */
  startOffset: number;
  leadGarbageBytes: number;
  /** Every n-th packet has a broken sync byte; every n-th packet is missing. */
  corruptEvery: number;
  loseEvery: number;
  garbage: boolean;
  /**
   * The reader gets the same seconds of media again and again, bit for bit, clocks and counters jumping
   * back. A loop with clocks that run on is what the source `picture` is.
   */
  loopSeconds: number;

  samePid: 'reuse' | 'restart';
  sameContent: 'supersede' | 'parallel' | 'reject';
  inactivityMs: number;
  statCountsAsActivity: boolean;
  /** The engine ends the session by itself (premium limit). */
  cutAfterMs: number;
  /** A foreign player takes the content over. */
  supersedeAfterMs: number;
  maxSessions: number;
  capacityPolicy: 'kill-oldest' | 'error-json' | 'hang';

  peers: number;
  /** `auto` follows the session; anything else is what stat says for ever. */
  status: string;
  statMode: StatMode;
  cmdMode: 'ok' | 'hang' | 'slow' | 'unknown' | '500' | 'reset';
  slowMs: number;
  versionMode: 'ok' | 'hang' | '500' | 'html';
  accept: 'all' | 'deny-close' | 'deny-403';
  /** Connections above are accepted and never answered. */
  maxConns: number;

  /** Limits of the witness (engine-api 11.8). */
  maxStartsPerMinute: number;
  maxStatPerSecond: number;
}

export type CloseMode = 'fin' | 'rst' | 'mid-packet' | 'chunk-end';

export type StartAnswer =
  | 'ok'
  | 'failed-to-load'
  | 'premium'
  | 'newer-download'
  | 'manifest-failed'
  | '500-text'
  | 'html-200'
  | 'empty-200'
  | 'truncated-json'
  | 'json-null-both'
  | 'error-object'
  | 'hang'
  | 'reset'
  | '403'
  | '404'
  | '503';

export type PlaybackOpen =
  | 'ok'
  | 'never'
  | '500-start-timeout'
  | '500-failed-to-start'
  | '403'
  | '404'
  | 'eof-zero-bytes'
  | 'html';

export type StatMode =
  | 'normal'
  | 'empty-first'
  | 'hang'
  | '500'
  | 'unknown-always'
  | 'strings-for-ints'
  | 'missing-livepos'
  | 'frozen-livepos'
  | 'backward-livepos';

export const DEFAULT_KNOBS: Readonly<Knobs> = {
  timeScale: 1,
  version: '3.1.75',
  kind: 'both',
  startDelayMs: 20,
  badIdDelayMs: 4500,
  badInfohashDelayMs: 28_000,
  startAnswer: 'ok',
  startAnswerTimes: 0,
  abortedStart: 'leak',
  prebufferMs: 150,
  prebufferMode: 'withhold-status',
  playbackOpen: 'ok',
  playbackOpenTimes: 0,
  redirects: 1,
  redirectTarget: 'own',
  redirectLength: 'none',
  redirectKeepOpen: false,
  hostMode: 'reflect',
  secondReader: 'double-status-line',
  framing: 'close',
  contentType: 'video/mp2t',
  gzipBreaks: true,
  source: 'stamped',
  bitrate: 4_000_000,
  keyframes: 'h264',
  gop: 2,
  burstSeconds: 2,
  speed: 1,
  tickMs: 10,
  bandwidthCap: 0,
  reopen: 'gap',
  firstByteDelayMs: 0,
  faultyReaders: 0,
  stall: false,
  stallAfterMs: 0,
  stallAfterBytes: 0,
  resumeAfterMs: 0,
  resumeMode: 'gap',
  eofAfterMs: 0,
  eofAfterBytes: 0,
  dropAtByte: 0,
  closeMode: 'fin',
  startOffset: 0,
  leadGarbageBytes: 0,
  corruptEvery: 0,
  loseEvery: 0,
  garbage: false,
  loopSeconds: 0,
  samePid: 'reuse',
  sameContent: 'supersede',
  inactivityMs: 60_000,
  statCountsAsActivity: true,
  cutAfterMs: 0,
  supersedeAfterMs: 0,
  maxSessions: 0,
  capacityPolicy: 'kill-oldest',
  peers: 8,
  status: 'auto',
  statMode: 'normal',
  cmdMode: 'ok',
  slowMs: 5000,
  versionMode: 'ok',
  accept: 'all',
  maxConns: 0,
  maxStartsPerMinute: 60,
  maxStatPerSecond: 2,
};

/** Refuses names that are no knobs and values of another type, so that a typing error cannot disarm a test. */
export function checkKnobs(knobs: Readonly<Record<string, unknown>>): Partial<Knobs> {
  for (const [name, value] of Object.entries(knobs)) {
    const known = (DEFAULT_KNOBS as unknown as Record<string, unknown>)[name];
    if (known === undefined) throw new RangeError(`no such knob: ${name}`);
    if (typeof value !== typeof known) throw new RangeError(`${name} must be a ${typeof known}`);
  }
  return knobs;
}

/** One engine's knobs with what single contents have on top. */
export class KnobBoard {
  #engine: Knobs;
  readonly #contents = new Map<string, Partial<Knobs>>();

  constructor(engine: Partial<Knobs>, contents: Readonly<Record<string, Partial<Knobs>>> = {}) {
    this.#engine = { ...DEFAULT_KNOBS, ...checkKnobs({ ...engine }) };
    for (const [hex, knobs] of Object.entries(contents)) this.setContent(hex, knobs);
  }

  get engine(): Readonly<Knobs> {
    return this.#engine;
  }

  of(content: string): Readonly<Knobs> {
    const own = this.#contents.get(content);
    return own ? { ...this.#engine, ...own } : this.#engine;
  }

  set(knobs: Partial<Knobs>): void {
    this.#engine = { ...this.#engine, ...checkKnobs({ ...knobs }) };
  }

  setContent(hex: string, knobs: Partial<Knobs>): void {
    const content = hex.toLowerCase();
    this.#contents.set(content, { ...this.#contents.get(content), ...checkKnobs({ ...knobs }) });
  }

  /** Back to the defaults and these. */
  replace(knobs: Partial<Knobs>): void {
    this.#engine = { ...DEFAULT_KNOBS, ...checkKnobs({ ...knobs }) };
    this.#contents.clear();
  }
}
