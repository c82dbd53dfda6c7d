// @ts-check
// Numbers and times for people. A dash stands for what nobody knows.

export const NOTHING = '–';

/**
 * @template T
 * @param {T | null | undefined} value
 * @param {(value: T) => string} text
 */
const known = (value, text) => (value === null || value === undefined ? NOTHING : text(value));

/** @param {number | null | undefined} bits per second */
export const rate = (bits) =>
  known(bits, (value) =>
    value >= 1e9
      ? `${(value / 1e9).toFixed(2)} Gbit/s`
      : `${(value / 1e6).toFixed(value < 1e7 ? 2 : 1)} Mbit/s`,
  );

/** @param {number | null | undefined} bytes */
export const size = (bytes) =>
  known(bytes, (value) => {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, value)) / 3));
    return `${(value / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
  });

/** @param {number | null | undefined} seconds */
export const seconds = (seconds) =>
  known(seconds, (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} s`);

/** @param {number | null | undefined} ms how long something lasts, to its two greatest units */
export const lasting = (ms) =>
  known(ms, (value) => {
    const total = Math.max(0, Math.round(value / 1_000));
    const parts = [
      [Math.floor(total / 86_400), 'd'],
      [Math.floor(total / 3_600) % 24, 'h'],
      [Math.floor(total / 60) % 60, 'min'],
      [total % 60, 's'],
    ];
    const first = parts.findIndex(([count]) => count !== 0);
    if (first === -1) return '0 s';
    return parts
      .slice(first, first + 2)
      .map(([count, unit]) => `${count} ${unit}`)
      .join(' ');
  });

/** @param {number | null | undefined} ms since the epoch */
export const clock = (ms) => known(ms, (value) => new Date(value).toLocaleTimeString());

/** @param {number} value @param {string} one @param {string} [many] */
export const counted = (value, one, many = `${one}s`) =>
  `${value.toLocaleString()} ${value === 1 ? one : many}`;

/** Enough of a hex to tell streams apart by eye. @param {string} key */
export const shortKey = (key) => `${key.slice(0, 8)}…${key.slice(-4)}`;

/** `host:pid` of `<hostname>:<pid>:<nonce>`. @param {string | null | undefined} worker */
export const shortWorker = (worker) =>
  known(worker, (value) => value.split(':').slice(0, -1).join(':') || value);

/** The player's own name out of a User-Agent. @param {string | null | undefined} agent */
export const shortAgent = (agent) =>
  known(agent, (value) => {
    const browser = /(Edg|OPR|Firefox|Chrome|Safari)\/[\d.]+/.exec(
      value.startsWith('Mozilla/') ? value : '',
    );
    const name = browser?.[0] ?? value;
    return name.length > 32 ? `${name.slice(0, 31)}…` : name;
  });
