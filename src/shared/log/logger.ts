/** What the rest of the code may know of logging; the winston behind it stays in this folder. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  readonly debugEnabled: boolean;
  /** A logger whose every line carries these fields too. */
  child(fields: LogFields): Logger;
}

/** `error` may be any thrown value; ids are plain strings. */
export type LogFields = Readonly<Record<string, unknown>>;
