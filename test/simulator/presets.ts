import type { Knobs } from './knobs.js';

/**
 * Situations by name (engine-api 11.6). Times are those of real engines; a test shortens them with `timeScale`.
 */
export const PRESETS = {
  healthy: {},
  'cold-start': { prebufferMs: 8500 },
  'slow-60s': { prebufferMs: 60_000 },
  'dead-channel': { playbackOpen: 'never', peers: 0, status: 'prebuf' },
  'never-first-byte': { playbackOpen: 'never', status: 'dl' },
  'headers-then-silence': { prebufferMode: 'headers-then-silence', prebufferMs: 3_600_000 },
  'bad-id': { startAnswer: 'failed-to-load' },
  'bad-infohash': { startAnswer: 'failed-to-load' },
  eof: { eofAfterMs: 90_000 },
  'eof-zero-bytes': { playbackOpen: 'eof-zero-bytes' },
  'drop-mid-packet': { eofAfterMs: 20_000, closeMode: 'mid-packet' },
  reset: { eofAfterMs: 20_000, closeMode: 'rst' },
  stall: { stallAfterMs: 300_000 },
  'stall-and-resume': { stallAfterMs: 20_000, resumeAfterMs: 8000 },
  'unaligned-start': { startOffset: 77 },
  superseded: { supersedeAfterMs: 20_000 },
  'two-readers': { secondReader: 'double-status-line' },
  'stop-hangs': { cmdMode: 'hang' },
  restart: { startDelayMs: 2000, prebufferMs: 20_000 },
  'premium-json': { startAnswer: 'premium' },
  'premium-cut': { cutAfterMs: 300_000 },
  '500-text': { startAnswer: '500-text' },
  'html-200': { startAnswer: 'html-200' },
  'truncated-json': { startAnswer: 'truncated-json' },
  hang: { startAnswer: 'hang' },
  'wrong-host': { hostMode: 'wrong-port' },
  'foreign-redirect': { redirectTarget: 'foreign' },
  'redirect-loop': { redirectTarget: 'loop' },
  'redirect-no-length': { redirectLength: 'none', redirectKeepOpen: true },
  'stale-stat': { statMode: 'unknown-always' },
  capacity: { maxSessions: 1 },
  'capacity-2': { maxSessions: 2, capacityPolicy: 'error-json' },
  'looping-live': { loopSeconds: 4, statMode: 'frozen-livepos' },
  'looping-restamped': { source: 'picture', statMode: 'frozen-livepos' },
  garbage: { garbage: true },
  'slow-network': { bandwidthCap: 300_000, firstByteDelayMs: 2000 },
} as const satisfies Record<string, Partial<Knobs>>;

export type PresetName = keyof typeof PRESETS;

/** @throws RangeError with the list of names. */
export function preset(name: string): Partial<Knobs> {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new RangeError(`no preset ${name}; there are: ${Object.keys(PRESETS).join(', ')}`);
  }
  return PRESETS[name as PresetName];
}
