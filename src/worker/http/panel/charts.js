// @ts-check
// The three lines over everything, drawn by uPlot.
import { byId, h, setText } from './dom.js';
import { counted, rate } from './format.js';
import { Series } from './history.js';

const HEIGHT = 84;
/** s that a chart shows at least, so that its first minute has a scale too. */
const LEAST_SECONDS = 60;
/** s between two marks of the time axis. */
const STEPS = [15, 30, 60, 120, 300];
/** uPlot is a script of its own: it has no types here. */
const Plot = /** @type {any} */ (globalThis).uPlot;

/**
 * @typedef {{ title: string, text: (value: number) => string, read: (snapshot: import('./types.js').Snapshot) => number }} Kind
 * @type {Kind[]}
 */
const KINDS = [
  {
    title: 'Players',
    text: (value) => counted(value, 'player'),
    read: ({ streams = [] }) => sum(streams, ({ clients }) => clients),
  },
  {
    title: 'To players',
    text: (value) => rate(value),
    read: ({ workers = [] }) => sum(workers, ({ rate_KBps }) => (rate_KBps ?? 0) * 8_000),
  },
  {
    title: 'From engines',
    text: (value) => rate(value),
    read: ({ streams = [] }) => sum(streams, ({ bitrate }) => bitrate ?? 0),
  },
];

/**
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number} value
 */
const sum = (items, value) => items.reduce((total, item) => total + value(item), 0);

export function makeCharts() {
  const charts = KINDS.map(makeChart);
  const redraw = () => charts.forEach((chart) => chart.rebuild());
  document.addEventListener('themechange', redraw);
  new ResizeObserver(redraw).observe(byId('charts'));
  /** @param {import('./types.js').Snapshot} snapshot */
  return (snapshot) => charts.forEach((chart) => chart.update(snapshot));
}

/** @param {Kind} kind */
function makeChart({ title, text, read }) {
  const series = new Series();
  const value = h('strong', {}, '–');
  const box = h('div', {
    class: 'plot',
    role: 'img',
    'aria-label': `${title}, the last ten minutes`,
  });
  byId('charts').append(h('figure', {}, h('figcaption', {}, h('span', {}, title), value), box));
  /** @type {{ destroy: () => void, setData: (data: unknown[]) => void } | null} */
  let plot = null;
  const rebuild = () => {
    plot?.destroy();
    const width = Math.floor(box.clientWidth);
    plot = width > 0 ? new Plot(options(width), [series.times, series.values], box) : null;
  };
  return {
    rebuild,
    /** @param {import('./types.js').Snapshot} snapshot */
    update: (snapshot) => {
      const known = snapshot.redis.available ? read(snapshot) : null;
      series.push(snapshot.at, known);
      setText(value, known === null ? '–' : text(known));
      plot?.setData([series.times, series.values]);
    },
  };
}

/** @param {number} width */
function options(width) {
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--quiet'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  };
  return {
    width,
    height: HEIGHT,
    padding: [6, 26, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: {
        range: (/** @type {unknown} */ _, /** @type {number} */ from, /** @type {number} */ to) => [
          Math.min(from, to - LEAST_SECONDS),
          to,
        ],
      },
      y: {
        range: (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ top) => [
          0,
          Math.max(1, top * 1.15),
        ],
      },
    },
    axes: [
      { ...axis, size: 18, gap: 4, space: 70, incrs: STEPS, values: clockTimes },
      { ...axis, size: 34, gap: 3, space: 26, values: shortNumbers },
    ],
    series: [
      {},
      { stroke: color('--accent'), fill: color('--wash'), width: 1.5, points: { show: false } },
    ],
  };
}

/** @param {unknown} _ @param {number[]} seconds */
function clockTimes(_, seconds) {
  return seconds.map((second) => new Date(second * 1_000).toTimeString().slice(0, 8));
}

/** @param {unknown} _ @param {number[]} values */
function shortNumbers(_, values) {
  return values.map((value) => {
    if (value >= 1e9) return `${String(value / 1e9)} G`;
    if (value >= 1e6) return `${String(value / 1e6)} M`;
    if (value >= 1e3) return `${String(value / 1e3)} k`;
    return Number.isInteger(value) ? String(value) : '';
  });
}
