import { setTimeout as delay } from 'node:timers/promises';
import {
  closePlayers,
  contentId,
  measurePlayers,
  openPlayers,
  type Audience,
  type Lab,
} from './lab.js';
import { spreadOf, type Spread } from './stats.js';
import { startProxyTarget, type Target } from './targets.js';

const MEDIA_BITRATE = 8_000_000;
const STORM_BITRATE = 1_000_000;
const GOP_SECONDS = 2;
const SETTLE_MS = 3_000;
const TIMEOUT_MS = 10_000;

export interface JoinResult {
  readonly target: string;
  /** ms from the connect to the first byte of media. */
  readonly firstByte: Spread;
  readonly failed: number;
}

async function withStream<T>(
  lab: Lab,
  target: Target,
  content: { readonly name: string; readonly bitrate: number; readonly audience: number },
  run: (stream: string) => Promise<T>,
): Promise<T> {
  const stream = contentId(content.name);
  await lab.source.call('stamped', { id: stream, bitrate: content.bitrate, gop: GOP_SECONDS });
  const audience: Audience = {
    streams: [stream],
    each: content.audience,
    perSecond: 500,
    sampling: 0,
  };
  await openPlayers(lab, target, audience);
  await delay(SETTLE_MS);
  try {
    return await run(stream);
  } finally {
    await closePlayers(lab, target);
  }
}

/** Players that join a running stream one after another while fifty watch. */
export async function runJoins(lab: Lab, count: number): Promise<JoinResult[]> {
  const results: JoinResult[] = [];
  for (const target of [lab.baseline, ...lab.proxies]) {
    const content = { name: 'join', bitrate: MEDIA_BITRATE, audience: 50 };
    const joins = await withStream(lab, target, content, async (stream) => {
      const request = { port: target.port, path: target.path(stream), count };
      return lab.loads[0]!.call('join', { ...request, everyMs: 20, timeoutMs: TIMEOUT_MS });
    });
    results.push(joinResult(target, joins));
  }
  return results;
}

/** `count` connects within two seconds, all of which stay. */
export async function runStorm(lab: Lab, count: number): Promise<JoinResult[]> {
  const results: JoinResult[] = [];
  for (const target of [lab.baseline, ...lab.proxies]) {
    const content = { name: 'storm', bitrate: STORM_BITRATE, audience: 1 };
    const report = await withStream(lab, target, content, (stream) =>
      openPlayers(lab, target, {
        streams: [stream],
        each: count,
        perSecond: count / 2,
        sampling: 0,
      }),
    );
    const { firstByteMs, failed } = report;
    results.push({ target: target.name, firstByte: spreadOf(firstByteMs), failed });
  }
  return results;
}

function joinResult(target: Target, joins: readonly number[]): JoinResult {
  const served = joins.filter((ms) => ms >= 0);
  const failed = joins.length - served.length;
  return { target: target.name, firstByte: spreadOf(served), failed };
}

export interface SlowResult {
  readonly target: string;
  /** ms; the longest gap of each of the other 49, before the slow one came and with it. */
  readonly before: Spread;
  readonly with: Spread;
}

/** One of fifty takes a tenth of the rate. */
export async function runSlow(lab: Lab): Promise<SlowResult[]> {
  const results: SlowResult[] = [];
  for (const target of lab.proxies) {
    const content = { name: 'slow', bitrate: MEDIA_BITRATE, audience: 49 };
    results.push(
      await withStream(lab, target, content, async (stream) => {
        const before = await longestGaps(lab);
        const limit = MEDIA_BITRATE / 80;
        const one = { streams: [stream], each: 1, perSecond: 1, sampling: 0, limit, label: 'slow' };
        await openPlayers(lab, target, one);
        await delay(SETTLE_MS);
        return { target: target.name, before, with: await longestGaps(lab) };
      }),
    );
  }
  return results;
}

async function longestGaps(lab: Lab): Promise<Spread> {
  const { clients } = await measurePlayers(lab);
  const others = clients.filter(({ label }) => !label.startsWith('slow'));
  return spreadOf(others.map(({ longestGapMs }) => longestGapMs));
}

export interface StartResult {
  readonly target: string;
  /** ms from the start of the processes (Redis among them) until all workers serve. */
  readonly serving: number;
  /** ms from a connect to the first media of a stream that nobody watched. */
  readonly coldJoin: number;
}

export async function runStart(lab: Lab, workers: number): Promise<StartResult> {
  const startedAt = performance.now();
  const target = await startProxyTarget(lab.engine, workers);
  const serving = performance.now() - startedAt;
  try {
    const stream = contentId('start');
    await lab.source.call('stamped', { id: stream, bitrate: MEDIA_BITRATE, gop: GOP_SECONDS });
    const audience = { streams: [stream], each: 1, perSecond: 1, sampling: 0 };
    const { firstByteMs } = await openPlayers(lab, target, audience);
    await closePlayers(lab, target);
    return { target: target.name, serving, coldJoin: firstByteMs[0] ?? -1 };
  } finally {
    await target.stop();
  }
}
