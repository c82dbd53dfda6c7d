// @ts-check
// The last minutes as this page saw them, and the small lines drawn of them.

/** One sample a second. */
const KEPT = 600;
const SPARK = { width: 96, height: 22, samples: 180, atLeast: 30 };
const SVG = 'http://www.w3.org/2000/svg';

/** Samples of one quantity: the times in seconds, the values, `null` where nothing was known. */
export class Series {
  /** @type {number[]} */
  times = [];
  /** @type {(number | null)[]} */
  values = [];

  /** @param {number} at ms @param {number | null} value */
  push(at, value) {
    this.times.push(at / 1_000);
    this.values.push(value);
    if (this.times.length > KEPT) {
      this.times.shift();
      this.values.shift();
    }
  }
}

/** The points of a sparkline in its own box. @param {readonly (number | null)[]} all */
export function sparkPoints(all) {
  const { width, height, samples, atLeast } = SPARK;
  const values = all.slice(-samples);
  const known = values.filter((value) => value !== null);
  const top = Math.max(...known, 1e-9);
  const step = width / (Math.max(values.length, atLeast) - 1);
  const left = width - (values.length - 1) * step;
  return values
    .map((value, i) =>
      value === null
        ? ''
        : `${(left + i * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`,
    )
    .filter((point) => point !== '')
    .join(' ');
}

/** @param {string} label what it shows, read out */
export function makeSpark(label) {
  const svg = document.createElementNS(SVG, 'svg');
  const line = document.createElementNS(SVG, 'polyline');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('viewBox', `0 0 ${String(SPARK.width)} ${String(SPARK.height)}`);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${label}, the last minutes`);
  svg.append(line);
  const series = new Series();
  return {
    element: svg,
    /** @param {number} at ms @param {number | null} value */
    push: (at, value) => {
      series.push(at, value);
      line.setAttribute('points', sparkPoints(series.values));
    },
  };
}
