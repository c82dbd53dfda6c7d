import { EngineFaultKind, type EngineEnd } from '../contracts.js';

/** Engines answer anything: what reaches a log or a player is bounded (spec 6). */
const MAX_MESSAGE = 512;

export interface EngineFaultFields {
  readonly kind: EngineFaultKind;
  /** A short stable word for logs, metrics and decisions: `refused`, `html`, `second-reader` … */
  readonly reason: string;
  readonly message: string;
  readonly engineId: string;
}

/** Why an engine did not do what it was asked for (engine-api 2.5 and 10). */
export class EngineFault extends Error {
  readonly kind: EngineFaultKind;
  readonly reason: string;
  readonly engineId: string;

  constructor(fields: EngineFaultFields, cause?: unknown) {
    super(printable(fields.message), cause === undefined ? undefined : { cause });
    this.name = 'EngineFault';
    this.kind = fields.kind;
    this.reason = fields.reason;
    this.engineId = fields.engineId;
  }

  toEnd(): EngineEnd {
    return { kind: this.kind, reason: this.reason, message: this.message };
  }
}

/** The end of a source that is no MPEG-TS (spec 3.4). */
export const GARBAGE: EngineEnd = {
  kind: EngineFaultKind.Engine,
  reason: 'garbage',
  message: 'the engine sends no MPEG-TS: no sync in 64 KiB',
};

/** Of a source that plays old media again (spec 3.4). */
export const LOOP_REASON = 'loop';

/** The end of such a source. The session may be at fault, and so may the engine's copy of the stream. */
export function loopEnd(periodMs: number): EngineEnd {
  return {
    kind: EngineFaultKind.Session,
    reason: LOOP_REASON,
    message: `the engine plays old media again: the same ${(periodMs / 1_000).toFixed(1)} s`,
  };
}

/** One line without control characters, at most 512 characters. */
export function printable(text: string): string {
  return text
    .slice(0, 4 * MAX_MESSAGE)
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_MESSAGE);
}

/**
 * What a failed connection says: `code` is Node's or the HTTP parser's word for it.
 * A second reader gets two status lines in a row, which no parser takes (engine-api 3.4).
 */
export function classifyNetworkFailure(code: string): Pick<EngineFaultFields, 'kind' | 'reason'> {
  switch (code) {
    case 'ECONNREFUSED':
      return { kind: EngineFaultKind.Engine, reason: 'refused' };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
      return { kind: EngineFaultKind.Engine, reason: 'unreachable' };
    case 'connect-timeout':
      return { kind: EngineFaultKind.Engine, reason: 'connect-timeout' };
    case 'HPE_INVALID_HEADER_TOKEN':
      return { kind: EngineFaultKind.Conflict, reason: 'second-reader' };
    case 'too-large':
      return { kind: EngineFaultKind.Engine, reason: 'too-large' };
    default:
      return code.startsWith('HPE_')
        ? { kind: EngineFaultKind.Engine, reason: 'not-http' }
        : { kind: EngineFaultKind.Session, reason: 'reset' };
  }
}
