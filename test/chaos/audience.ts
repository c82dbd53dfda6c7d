import { Player } from '../helpers/player.js';
import type { Proxy } from '../helpers/proxy.js';

/** What the players of one part of the audience went through, the worst of each. */
export interface GroupResult {
  readonly players: number;
  /** ms without a media packet. */
  readonly gapMs: number;
  /** Packets missing where no discontinuity was marked. */
  readonly lost: number;
  /** Jumps that a discontinuity indicator announced. */
  readonly marked: number;
}

/** A player that names itself, so that its record in Redis tells which worker serves it. */
export class Spectator extends Player {
  readonly name: string;

  constructor(url: string, name: string) {
    const { pathname, search, host } = new URL(url);
    const lines = [`GET ${pathname}${search} HTTP/1.1`, `Host: ${host}`, `User-Agent: ${name}`];
    super(url, { head: `${lines.join('\r\n')}\r\n\r\n` });
    this.name = name;
  }
}

/** Names of the players that the owner's worker serves. */
export async function namesAtOwner(proxy: Proxy, stream: string): Promise<ReadonlySet<string>> {
  const base = `ace_proxy:stream:${stream}`;
  const [owner, clients] = await Promise.all([
    proxy.look.get(`${base}:owner`),
    proxy.look.smembers(`${base}:clients`),
  ]);
  const names = new Set<string>();
  for (const client of clients) {
    const { worker_id: worker, user_agent: name } = await proxy.look.hgetall(
      `${base}:clients:${client}`,
    );
    if (worker === owner && name !== undefined) names.add(name);
  }
  return names;
}

export function groupResult(players: readonly Player[]): GroupResult {
  const reports = players.map((player) => player.report());
  return {
    players: players.length,
    gapMs: Math.max(0, ...players.map(({ longestGap }) => longestGap)),
    lost: Math.max(0, ...reports.map(({ lost }) => lost)),
    marked: Math.max(0, ...reports.map(({ marked }) => marked)),
  };
}
