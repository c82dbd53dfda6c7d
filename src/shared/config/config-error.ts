import { escapeControls, isSecretName, redactText } from '../log/redact.js';

/** Exit code of a process whose configuration is bad (sysexits.h: EX_CONFIG). */
export const EXIT_CONFIG = 78;

const SHOWN_CHARACTERS = 200;

/** One thing that is wrong. `value` is ready to be printed: secrets are masked. */
export interface ConfigFault {
  /** The variable, the key of a file, or the file itself. */
  readonly name: string;
  /** `environment`, the key and path of a file, or `combination` where values do not go together. */
  readonly source: string;
  /** `null` where the fault is not about one value. */
  readonly value: string | null;
  /** What is wrong, and what is allowed. */
  readonly message: string;
}

/** All faults of a configuration at once; the message is made for the operator's terminal. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const count = faults.length === 1 ? '1 fault' : `${String(faults.length)} faults`;
    super([`The configuration has ${count}:`, ...faults.map(line)].join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

/** A value as a fault may show it; `secret` hides it all, a telling name does the same. */
export function showValue(name: string, value: unknown, secret = false): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text === '') return '""';
  if (secret || isSecretName(name)) return '(hidden)';
  const clean = escapeControls(redactText(text));
  const shown = clean.length > SHOWN_CHARACTERS ? `${clean.slice(0, SHOWN_CHARACTERS)}…` : clean;
  return `"${shown}"`;
}

function line(fault: ConfigFault): string {
  const value = fault.value === null ? '' : ` = ${fault.value}`;
  return `  ${fault.name}${value} (${fault.source}): ${fault.message}`;
}
