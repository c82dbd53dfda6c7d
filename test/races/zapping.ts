import { setTimeout as delay } from 'node:timers/promises';
import { startEngine } from '../simulator/engine.js';
import { Player } from '../helpers/player.js';
import { startProxy } from '../helpers/proxy.js';
import type { RaceResult } from './race-world.js';

const CHANNELS = 10;
const ZAPS_PER_SECOND = 20;
/** Every fifth viewer stays for so many zaps; the others leave with the next one. */
const STAY_ZAPS = 12;
const STAYS_EVERY = 5;

/** Zaps over ten channels of the real process tree; most players leave before there is media. */
export async function zap(seconds: number): Promise<RaceResult> {
  const startedAt = Date.now();
  const engine = await startEngine({ prebufferMs: 50, gop: 0.5, startDelayMs: 40 });
  const proxy = await startProxy({
    engines: [engine],
    // Shorter than the time until a channel is asked for again: streams end and begin all the time.
    env: { PROXY_MAX_STREAMS_PER_ENGINE: String(CHANNELS), PROXY_GRACE_PERIOD: '0.1' },
  });
  const faults: string[] = [];
  const zaps = seconds * ZAPS_PER_SECOND;
  try {
    const players: Player[] = [];
    for (let n = 0; n < zaps; n++) {
      const channel = ((n * 7) % CHANNELS).toString(16).padStart(40, '9');
      players.push(new Player(proxy.media(channel)));
      if (n % STAYS_EVERY !== 0) players[n - 1]?.leave();
      players[n - STAY_ZAPS]?.leave();
      await delay(1_000 / ZAPS_PER_SECOND);
    }
    await players.at(-1)?.untilBytes(188 * 100, 10_000);
    for (const [n, player] of players.entries()) {
      const { status } = player;
      if (status !== null && status !== 200) faults.push(`zap ${String(n)}: ${String(status)}`);
      player.leave();
    }
    await proxy.untilNoKeys(8_000);
    await engine.untilClean(3_000);
    const slots = await proxy.look.hlen('ace_proxy:engines:reservations');
    if (slots > 0) faults.push(`${String(slots)} slots are left`);
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  }
  const { sessions } = engine.witness;
  const code = await proxy.stop();
  if (code !== 0) faults.push(`exit code ${String(code)}`);
  await engine.stop();
  return {
    what: `${String(zaps)} zaps over ${String(CHANNELS)} channels, ${String(ZAPS_PER_SECOND)} a second`,
    sessionsStarted: sessions.length,
    sessionsStopped: sessions.filter(({ how }) => how === 'stop').length,
    faults,
    seconds: (Date.now() - startedAt) / 1_000,
  };
}
