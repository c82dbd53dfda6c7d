import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SeededRandom } from '../simulator/random.js';
import { closePlayers, contentId, openPlayers, type Lab } from './lab.js';
import { spreadOf, type Spread } from './stats.js';
import type { Target } from './targets.js';

export interface FrameResult {
  readonly target: string;
  /** ms from the start of ffprobe to the first decoded picture; its own start is in it. */
  readonly firstFrame: Spread;
  /** ms that the same takes from a local file. */
  readonly ownMs: number;
  /** Joins whose first picture was no keyframe, or that gave none. */
  readonly bad: number;
  /** Joins of which ffmpeg decoded the first seconds, and what it complained about. */
  readonly decoded: number;
  readonly decoderErrors: readonly string[];
}

const CLIP_SECONDS = 20;
const CLIP_GOP_FRAMES = 125;
const SETTLE_MS = 6_000;
const TIMEOUT_MS = 10_000;
/** ms between two joins at most, at random: no step with the keyframes. */
const PAUSE_MS = 800;
/** Of media; a join is given at least so much at once. */
const DECODED_SECONDS = 2;
/** How much a program looks at before it begins: the default is 5 s of it. */
const PROBE = ['-probesize', '200000', '-analyzeduration', '200000'];

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
  const url = `http://127.0.0.1:${target.port}${target.path(stream)}`;
  const random = new SeededRandom(count);
  await openPlayers(lab, target, { streams: [stream], each: 2, perSecond: 10, sampling: 0 });
  await delay(SETTLE_MS);
  const joins: (Frame | null)[] = [];
  const errors: string[] = [];
  let decoded = 0;
  for (let n = 0; n < count; n++) {
    await delay(random.below(PAUSE_MS));
    joins.push(await firstFrame(url));
    await delay(random.below(PAUSE_MS));
    const { complete, complaints } = await decode(url);
    decoded += complete ? 1 : 0;
    errors.push(...complaints);
  }
  await closePlayers(lab, target);
  const good = joins.flatMap((frame) => (frame?.key === true ? frame.ms : []));
  return {
    target: target.name,
    firstFrame: spreadOf(good),
    ownMs: own?.ms ?? -1,
    bad: count - good.length,
    decoded,
    decoderErrors: [...errors, ...joins.flatMap((frame) => frame?.complaints ?? [])],
  };
}

interface Frame {
  readonly ms: number;
  readonly key: boolean;
  readonly complaints: readonly string[];
}

async function firstFrame(url: string): Promise<Frame | null> {
  const startedAt = performance.now();
  const { output, complaints } = await run('ffprobe', [
    ...['-v', 'error', ...PROBE, '-select_streams', 'v:0', '-read_intervals', '%+#1'],
    ...['-show_entries', 'frame=key_frame', '-of', 'csv=p=0', url],
  ]);
  if (!output) return null;
  return { ms: performance.now() - startedAt, key: output.startsWith('1'), complaints };
}

async function decode(url: string): Promise<{ complete: boolean; complaints: readonly string[] }> {
  const { output, complaints } = await run('ffmpeg', [
    ...['-v', 'error', '-nostdin', ...PROBE, '-i', url],
    ...['-t', String(DECODED_SECONDS), '-f', 'null', '-'],
  ]);
  return { complete: output !== null, complaints };
}

/** An encoder's channel with pictures that refer to later ones, as channels have them. */
async function makeClip(file: string): Promise<boolean> {
  const picture = `testsrc2=size=640x360:rate=25:duration=${CLIP_SECONDS}`;
  const gop = String(CLIP_GOP_FRAMES);
  const { output } = await run('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', picture, '-c:v', 'libx264'],
    ...['-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-bf', '2', '-g', gop],
    ...['-sc_threshold', '0', '-b:v', '2M', '-f', 'mpegts', '-pcr_period', '40', file],
  ]);
  return output !== null;
}

/** `output` is `null` when the program is missing or fails; `complaints` are its lines of errors. */
async function run(
  command: string,
  args: readonly string[],
): Promise<{ output: string | null; complaints: readonly string[] }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = await once(child, 'close').catch(() => [null]);
  const complaints = errors.split('\n').filter((line) => line !== '');
  return { output: ended[0] === 0 ? output : null, complaints };
}
