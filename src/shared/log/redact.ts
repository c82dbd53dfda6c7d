/**
 * What a log line must not carry (spec 6): keys and tokens, and control characters that would
 * forge lines or drive a terminal.
 */
export const REDACTED = '[redacted]';

const SECRET_NAME =
  /^(?:.*authorization|(?:set-)?cookie|.*token|.*secret|.*passw(?:or)?d|.*api[-_]?key|key)$/i;
const SECRET_PARAMETER =
  /([?&;](?:[a-z0-9_-]*(?:token|secret|password|api[-_]?key)|key|auth|sig|signature)=)[^&;\s"'#]+/gi;
/** `/t/<token>/…`, and `%2Ft%2F` where an address is the value of another one's query. */
const PATH_TOKEN = /(\/t\/|%2ft%2f)[\w.~-]+(?=\/|%2f|$|[\s"'?#])/gi;
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi;
/** Up to the last `@`, because passwords may have one. The scheme is bounded to keep this linear. */
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/"']+@/gi;
/** C0, DEL, C1, and the characters that reorder or break lines in a terminal or an editor. */
const CONTROL = /\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** True for the name of a field, header or variable whose value is a secret, whatever it looks like. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The text without the secrets that URLs and headers carry. */
export function redactText(text: string): string {
  return text
    .replace(SECRET_PARAMETER, `$1${REDACTED}`)
    .replace(PATH_TOKEN, `$1${REDACTED}`)
    .replace(BEARER, `$1 ${REDACTED}`)
    .replace(URL_CREDENTIALS, `$1${REDACTED}@`);
}

/** Control characters become visible: `\x1b`, `\u2028`. */
export function escapeControls(text: string): string {
  return text.replace(CONTROL, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
