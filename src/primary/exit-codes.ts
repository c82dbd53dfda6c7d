import { EXIT_CONFIG } from '../shared/config/config-error.js';

/** What the primary dies of; the numbers are those of sysexits.h where it has one. */
export const ExitCode = {
  Ok: 0,
  /** The address cannot be listened on. */
  Listen: 1,
  /** EX_UNAVAILABLE: the embedded Redis or the key's file cannot be had. */
  Unavailable: 69,
  /** EX_SOFTWARE: an error nobody caught. */
  Software: 70,
  /** EX_OSERR: no worker ever came up. */
  Workers: 71,
  Config: EXIT_CONFIG,
  /** A second signal ended the graceful stop (128 + SIGTERM). */
  Forced: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
