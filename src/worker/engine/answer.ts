import { EngineFaultKind } from '../contracts.js';

/** A small answer of an engine, before anybody believed it. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

export interface Refusal {
  readonly kind: EngineFaultKind;
  readonly reason: string;
  readonly message: string;
}

export type Envelope =
  | { readonly ok: true; readonly response: unknown }
  | { readonly ok: false; readonly refusal: Refusal };

/** What `refusal.reason` says when the engine does not know the session (engine-api 2.3). */
export const UNKNOWN_SESSION = 'unknown-session';

/**
 * Error texts seen from real engines (engine-api 2.3, 3.6, 6), first match wins; matched without
 * case and anywhere, because some are wrapped in brackets.
 */
const ERROR_TEXTS: readonly (readonly [RegExp, EngineFaultKind, string])[] = [
  [/unknown playback session/, EngineFaultKind.Session, UNKNOWN_SESSION],
  [/couldn't find resource/, EngineFaultKind.Session, UNKNOWN_SESSION],
  [/got newer download/, EngineFaultKind.Conflict, 'newer-download'],
  [/premium|activat|subscri|missing_option/, EngineFaultKind.Engine, 'licence'],
  [/auth_error|access denied|deny access|forbidden/, EngineFaultKind.Engine, 'access-denied'],
  [/start timeout|failed to start/, EngineFaultKind.Timeout, 'start-timeout'],
  [/no peers/, EngineFaultKind.Timeout, 'no-peers'],
  [/failed to get manifest/, EngineFaultKind.Content, 'manifest-failed'],
  [
    /failed to load content|cannot (?:load|get) transport file|bad bencoded data|missing content id|content not found/,
    EngineFaultKind.Content,
    'load-failed',
  ],
];

/**
 * `{response, error}` or `{result, error}` (engine-api 2.1, 2.4), or what is wrong with the answer.
 * The body is judged by its content: neither status nor Content-Type can be relied on (1.4).
 */
export function parseEnvelope(answer: RawAnswer): Envelope {
  const text = answer.text.trim();
  if (!text.startsWith('{')) return refuse(classifyText(answer.status, text));
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return refuse(engineRefusal('bad-json', `the answer is not whole JSON: ${text}`));
  }
  const envelope = parsed as Record<string, unknown>;
  const message = errorMessage(envelope['error']);
  if (message !== null) return refuse(classifyErrorText(message));
  if (answer.status !== 200) return refuse(classifyStatus(answer.status, text));
  const response = envelope['response'] ?? envelope['result'] ?? null;
  if (response === null) {
    return refuse(engineRefusal('null-answer', 'the answer has neither a response nor an error'));
  }
  return { ok: true, response };
}

/** A text of the engine's `error` field, or a plain-text body. Unknown texts blame the engine. */
export function classifyErrorText(message: string): Refusal {
  const lower = message.toLowerCase();
  for (const [pattern, kind, reason] of ERROR_TEXTS) {
    if (pattern.test(lower)) return { kind, reason, message };
  }
  return engineRefusal('error', message);
}

/** A body that is not JSON: text of the engine, HTML of something in front of it, or nothing. */
function classifyText(status: number, text: string): Refusal {
  if (status !== 200) return classifyStatus(status, text);
  if (text === '') return engineRefusal('empty', 'the answer is empty');
  return text.startsWith('<')
    ? engineRefusal('html', text)
    : { ...classifyErrorText(text), message: text };
}

/** A status other than 200 (engine-api 1.4, 3.6, 10.26). */
export function classifyStatus(status: number, text: string): Refusal {
  const known = classifyErrorText(text);
  if (known.reason !== 'error') return known;
  const reason = `http-${String(status)}`;
  const message = `HTTP ${String(status)}: ${text}`;
  if (status === 404 || status === 410) return { kind: EngineFaultKind.Content, reason, message };
  return { kind: EngineFaultKind.Engine, reason, message };
}

/** `error` is null, a string, or an object with `message` (engine-api 2.4); `''` counts as none. */
function errorMessage(error: unknown): string | null {
  if (error === undefined || error === null || error === '' || error === false) return null;
  if (typeof error === 'string') return error;
  if (typeof error === 'object') {
    const { message } = error as { message?: unknown };
    if (typeof message === 'string' && message !== '') return message;
  }
  return JSON.stringify(error);
}

function engineRefusal(reason: string, message: string): Refusal {
  return { kind: EngineFaultKind.Engine, reason, message };
}

function refuse(refusal: Refusal): Envelope {
  return { ok: false, refusal };
}

/** A whole number that came as a number or as a string (engine-api 2.2, 4), else `null`. */
export function readInteger(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) : null;
}

export function readText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function readObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
