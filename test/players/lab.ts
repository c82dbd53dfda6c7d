import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';
import type { Fault, FaultId } from './faults.js';
import { Relay } from './relay.js';
import type { Running } from './run-program.js';

export const CHANNEL = 'c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00';

/** What people run; `test/helpers/proxy.ts` shortens all of these. Seconds. */
const AS_SHIPPED: Readonly<Record<string, string>> = {
  PROXY_STALL_TIMEOUT: '5',
  PROXY_INIT_TIMEOUT: '30',
  PROXY_CONNECTION_TIMEOUT: '10',
  PROXY_OWNER_LOCK_TTL: '6',
  PROXY_HEARTBEAT_INTERVAL: '10',
  PROXY_CLEANUP_INTERVAL: '60',
  PROXY_JOIN_BEHIND: '2',
};

const PICTURE_MS = 20_000;
/** Four seconds of the channel: a joiner finds its place two seconds behind the head. */
const ON_AIR_BYTES = 350_000;
/** Pictures in a second of the channel. */
const SECOND = 25;
/** ms after the end of a fault in which a second of new pictures must come. */
const RECOVERY_MS = 15_000;

/** A player that can be started as often as wanted. */
export interface Subject {
  readonly name: string;
  readonly version: string;
  readonly seen: string;
  readonly variant: boolean;
  readonly start: (url: string) => Running | Promise<Running>;
}

export interface Start {
  /** ms from the first TCP connection to the first picture; `null`: none came. */
  readonly pictureMs: number | null;
  /** The requests it made, one line of the head's interesting parts each. */
  readonly requests: readonly string[];
}

export interface Survival {
  /** The same process showed a second of new pictures after the fault. */
  readonly plays: boolean;
  /** It made no further connection, and the one it had is open. */
  readonly sameConnection: boolean;
  /** ms that the picture stood still at most. */
  readonly stillMs: number;
}

export type Survivals = Partial<Record<FaultId, Survival>>;

/** A proxy as shipped with one engine that has a real picture, and a viewer that keeps the channel on air. */
export async function openStage(): Promise<Stage> {
  const stage = await setStage({ engines: [{ source: 'picture' }], env: AS_SHIPPED });
  const viewer = stage.play(CHANNEL);
  await viewer.untilBytes(ON_AIR_BYTES, PICTURE_MS);
  return stage;
}

/** One player alone joins a channel that is on air. */
export async function startOnce(stage: Stage, subject: Subject): Promise<Start> {
  const relay = await Relay.open(stage.proxy.port);
  const player = await subject.start(mediaOf(relay));
  try {
    await until('a picture', () => player.ended() || player.screen.firstAt, PICTURE_MS).catch(
      () => undefined,
    );
    const { firstAt } = player.screen;
    const openedAt = relay.media[0]?.openedAt;
    return {
      pictureMs: firstAt === null || openedAt === undefined ? null : firstAt - openedAt,
      requests: relay.media.map(({ head }) => interesting(head)),
    };
  } finally {
    await player.leave();
    relay.close();
  }
}

/** All players together live through one fault. */
export async function liveThrough(
  stage: Stage,
  fault: Fault,
  subjects: readonly Subject[],
  gapMs: number,
): Promise<Map<string, Survival>> {
  const seats = await Promise.all(subjects.map((subject) => seat(stage, subject)));
  try {
    await Promise.all(seats.map((each) => untilMore(each, PICTURE_MS)));
    const before = seats.map(({ relay }) => relay.media.length);
    for (const { player } of seats) player.screen.watch();
    const untilPictures = async (): Promise<void> => {
      await Promise.all(seats.map((each) => untilMore(each, RECOVERY_MS)));
    };
    const { engine, proxy } = stage;
    await fault.inject({ engine, proxy, gapMs, untilPictures });
    const judged = await Promise.all(
      seats.map(
        async (each, at) => [each.subject.name, await judge(each, before[at] ?? 0)] as const,
      ),
    );
    return new Map(judged);
  } finally {
    await Promise.all(seats.map(({ player }) => player.leave()));
    for (const { relay } of seats) relay.close();
  }
}

interface Seat {
  readonly subject: Subject;
  readonly relay: Relay;
  readonly player: Running;
}

async function seat(stage: Stage, subject: Subject): Promise<Seat> {
  const relay = await Relay.open(stage.proxy.port);
  return { subject, relay, player: await subject.start(mediaOf(relay)) };
}

async function judge(each: Seat, connectionsBefore: number): Promise<Survival> {
  const plays = await untilMore(each, RECOVERY_MS);
  const { media } = each.relay;
  return {
    plays,
    sameConnection:
      media.length === connectionsBefore && media.some(({ closedBy }) => closedBy === null),
    stillMs: each.player.screen.longestStill,
  };
}

/** Whether a second of new pictures came. */
async function untilMore({ player }: Seat, ms: number): Promise<boolean> {
  const wanted = player.screen.frames + SECOND;
  const enough = (): boolean => player.screen.frames >= wanted;
  await until('new pictures', () => player.ended() || enough(), ms).catch(() => undefined);
  return enough();
}

const mediaOf = (relay: Relay): string => `${relay.url}/ace/getstream?id=${CHANNEL}`;

/** `GET, Range: bytes=0-, Icy-MetaData: 1` of a request head. */
function interesting(head: string): string {
  const [request = '', ...headers] = head.split('\r\n');
  const told = headers.filter((line) => /^(range|icy-metadata|connection|accept):/i.test(line));
  return [request.replace(/ \S+ /, ' '), ...told].join(', ');
}
