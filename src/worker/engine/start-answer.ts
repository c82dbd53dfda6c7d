import type { EngineAddress } from '../../shared/config/settings.js';
import { EngineFaultKind, type ContentSelector, type EngineSession } from '../contracts.js';
import { readInteger, readObject, readText } from './answer.js';
import { engineUrl, rehost } from './engine-address.js';
import { EngineFault } from './engine-fault.js';

export type AcceptedKind = EngineSession['acceptedAs'];

export interface StartContext {
  readonly engine: EngineAddress;
  readonly selector: ContentSelector;
  readonly acceptedAs: AcceptedKind;
  readonly pid: string;
}

export interface StartAnswer {
  readonly session: EngineSession;
  /** Hosts the engine named that are not its configured one: worth a line in the log. */
  readonly foreignHosts: readonly string[];
}

/** `response` of a start as a session (engine-api 2.2); throws `EngineFault` without a playback URL. */
export function parseStartAnswer(response: unknown, context: StartContext): StartAnswer {
  const fields = readObject(response);
  const base = engineUrl(context.engine, '/');
  const foreign = new Set<string>();
  const pathOf = (name: string): string | null => {
    const named = readText(fields[name]);
    const rehosted = named === null ? null : rehost(named, base);
    if (rehosted !== null && rehosted.foreignHost !== null) foreign.add(rehosted.foreignHost);
    return rehosted?.path ?? null;
  };
  const playbackPath = pathOf('playback_url');
  if (playbackPath === null) {
    throw new EngineFault({
      kind: EngineFaultKind.Engine,
      reason: 'no-playback-url',
      message: 'the start answer has no usable playback_url',
      engineId: context.engine.id,
    });
  }
  const session: EngineSession = {
    ...context,
    playbackSessionId: readText(fields['playback_session_id']) ?? '',
    playbackPath,
    statPath: pathOf('stat_url'),
    commandPath: pathOf('command_url'),
    infohash: readText(fields['infohash'])?.toLowerCase() ?? null,
    // -1 means unknown; this proxy is asked for live channels.
    isLive: readInteger(fields['is_live']) !== 0,
    isEncrypted: readInteger(fields['is_encrypted']) === 1,
  };
  return { session, foreignHosts: [...foreign] };
}

/** Path of a JSON start; only the parameters every version knows (engine-api 1.2). */
export function startPath(stream: string, kind: AcceptedKind, pid: string): string {
  // `id` is the old name of `content_id` and the one that all versions take.
  const selector = kind === 'content_id' ? 'id' : 'infohash';
  const query = new URLSearchParams({ [selector]: stream, format: 'json', pid });
  return `/ace/getstream?${query.toString()}`;
}

/**
 * The kinds to ask for, in order. A hex of unknown kind is tried as content id first, because that
 * refusal is six times faster (engine-api 1.6). A remembered kind goes first but proves nothing: an
 * engine that has the infohash in its cache takes it as `id` too (12).
 */
export function kindsToTry(
  keyType: ContentSelector['keyType'],
  remembered: AcceptedKind | null,
): readonly AcceptedKind[] {
  if (keyType !== 'id') return [keyType];
  return remembered === 'infohash' ? ['infohash', 'content_id'] : ['content_id', 'infohash'];
}
