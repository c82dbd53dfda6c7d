export interface LinearFit {
  readonly slope: number;
  readonly intercept: number;
  /** Half of the interval that holds the true slope in 19 of 20 cases; Infinity below three points. */
  readonly margin: number;
  /** Greatest distance of a point from the line. */
  readonly residual: number;
}

/** 97.5 % quantile of Student's t by degrees of freedom; from the tenth on the last one. */
const STUDENT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];

/** The straight line through points, by least squares. */
export function linearFit(points: readonly (readonly [number, number])[]): LinearFit {
  const n = points.length;
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / n;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const common = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const slope = spread === 0 ? 0 : common / spread;
  const intercept = meanY - slope * meanX;
  const errors = points.map(([x, y]) => y - intercept - slope * x);
  const squares = errors.reduce((sum, error) => sum + error ** 2, 0);
  const student = STUDENT[Math.min(n - 3, STUDENT.length - 1)] ?? Infinity;
  const margin = n < 3 || spread === 0 ? Infinity : student * Math.sqrt(squares / (n - 2) / spread);
  return { slope, intercept, margin, residual: Math.max(...errors.map(Math.abs)) };
}
