import type { Settings } from '../shared/config/settings.js';
import type { Logger } from '../shared/log/logger.js';
import { streamsThatFit } from '../shared/ring-memory.js';

/** Settings that say how many streams there may be, and how large. */
export type StreamSettings = 'bufferMaxBytes' | 'engines' | 'maxStreams' | 'maxStreamsPerEngine';

export interface Advice {
  readonly level: 'warn' | 'info';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Where neither a limit nor an engine is configured: engines come by HTTP or from an orchestrator. */
const USUAL_STREAMS = 16;

/** Streams that the configuration allows at a time. */
export function expectedStreams(settings: Pick<Settings, StreamSettings>): number {
  const { maxStreams, engines, maxStreamsPerEngine } = settings;
  if (maxStreams > 0) return maxStreams;
  const slots = engines.reduce((sum, { max }) => sum + (max ?? maxStreamsPerEngine), 0);
  return slots === 0 ? USUAL_STREAMS : slots;
}

/** What an operator should know of a Redis' memory; `info` is the text of `INFO memory`. */
export function memoryAdvice(
  info: string,
  settings: Pick<Settings, StreamSettings | 'bufferTotalBytes'>,
): readonly Advice[] {
  const maxMemory = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
  const { bufferMaxBytes, bufferTotalBytes } = settings;
  if (maxMemory === 0) {
    if (bufferTotalBytes > 0) return [];
    const message =
      'Redis has no maxmemory and PROXY_BUFFER_TOTAL_BYTES is 0: no stream is refused for want of memory';
    return [{ level: 'info', message, fields: {} }];
  }
  const room = streamsThatFit(maxMemory, bufferMaxBytes);
  const wanted = expectedStreams(settings);
  if (room >= wanted) return [];
  const message =
    'Redis has less memory than full rings of all streams need: further streams are refused';
  const fields = { maxMemory, bufferMaxBytes, streamsThatFit: room, streamsConfigured: wanted };
  return [{ level: room === 0 ? 'warn' : 'info', message, fields }];
}

/** Looks at the memory of the Redis in use, once. Never rejects. */
export async function adviseOnMemory(
  readInfo: () => Promise<string>,
  settings: Pick<Settings, StreamSettings | 'bufferTotalBytes'>,
  log: Logger,
): Promise<void> {
  try {
    for (const { level, message, fields } of memoryAdvice(await readInfo(), settings)) {
      log[level](message, fields);
    }
  } catch (error) {
    log.debug("Redis' memory could not be looked at", { error });
  }
}
