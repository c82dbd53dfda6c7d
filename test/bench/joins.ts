import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

export interface FrameResult {
  readonly target: string;
  /** ms from the start of ffprobe to the first decoded picture; its own start is in it. */
  readonly firstFrame: Spread;
  /** ms that the same takes from a local file. */
  readonly ownMs: number;
  /** Joins whose first picture was no keyframe, or that gave none. */
  readonly bad: number;
}

const CLIP_SECONDS = 20;
const CLIP_GOP_FRAMES = 125;

/** First pictures at keyframes five seconds apart; `null` where ffmpeg is not installed. */
export async function runFrames(lab: Lab, count: number): Promise<FrameResult[] | null> {
  const directory = await mkdtemp(join(tmpdir(), 'proxy-bench-'));
  const file = join(directory, 'clip.mpegts');
  try {
    if (!(await makeClip(file))) return null;
    const stream = contentId('frames');
    await lab.source.call('clip', { id: stream, file });
    const own = await firstFrame(file);
    const results: FrameResult[] = [];
    for (const target of lab.proxies)
      results.push(await frames(lab, target, { stream, count, own }));
    return results;
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function frames(
  lab: Lab,
  target: Target,
  { stream, count, own }: { stream: string; count: number; own: Frame | null },
): Promise<FrameResult> {
  await openPlayers(lab, target, { streams: [stream], each: 2, perSecond: 10, sampling: 0 });
  await delay(SETTLE_MS * 2);
  const joins: (Frame | null)[] = [];
  for (let n = 0; n < count; n++) {
    joins.push(await firstFrame(`http://127.0.0.1:${target.port}${target.path(stream)}`));
    // Not in step with the keyframes.
    await delay(170);
  }
  await closePlayers(lab, target);
  const good = joins.flatMap((frame) => (frame?.key === true ? frame.ms : []));
  return {
    target: target.name,
    firstFrame: spreadOf(good),
    ownMs: own?.ms ?? -1,
    bad: count - good.length,
  };
}

interface Frame {
  readonly ms: number;
  readonly key: boolean;
}

async function firstFrame(url: string): Promise<Frame | null> {
  const startedAt = performance.now();
  const output = await run('ffprobe', [
    ...['-v', 'error', '-probesize', '200000', '-analyzeduration', '200000'],
    ...['-select_streams', 'v:0', '-read_intervals', '%+#1'],
    ...['-show_entries', 'frame=key_frame', '-of', 'csv=p=0', url],
  ]);
  if (!output) return null;
  return { ms: performance.now() - startedAt, key: output.startsWith('1') };
}

async function makeClip(file: string): Promise<boolean> {
  const picture = `testsrc2=size=640x360:rate=25:duration=${CLIP_SECONDS}`;
  const gop = String(CLIP_GOP_FRAMES);
  const output = await run('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', picture, '-c:v', 'libx264'],
    ...['-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-bf', '0', '-g', gop],
    ...['-sc_threshold', '0', '-b:v', '2M', '-f', 'mpegts', '-pcr_period', '40', file],
  ]);
  return output !== null;
}

/** Standard output; `null` when the program is missing or fails. */
async function run(command: string, args: readonly string[]): Promise<string | null> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: TIMEOUT_MS });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 ? output : null;
  } catch {
    return null;
  }
}
