import * as Plot from '@observablehq/plot';
import { shortCount } from './format.js';
import { colours } from './theme-button.js';

/** Where a run was at a moment. */
export interface RunPoint {
  readonly seconds: number;
  /** Vectors per second. */
  readonly rate: number;
  readonly batchSize: number;
  readonly concurrency: number;
}

/** The rate over time, and below it the setting that was in force. */
export function drawRun(points: readonly RunPoint[], width: number): SVGSVGElement[] {
  const palette = colours();
  const last = points.at(-1);
  const x = { domain: [0, Math.max(1, last?.seconds ?? 1)], label: null, tickSize: 4 } as const;
  const frame = { className: 'plot', width, marginLeft: 56, marginRight: 12, marginBottom: 24 } as const;
  const steps = (value: 'batchSize' | 'concurrency', label: string, isLast: boolean) =>
    Plot.plot({
      ...frame,
      height: isLast ? 112 : 84,
      marginTop: 28,
      marginBottom: isLast ? 34 : 8,
      x: {
        ...x,
        axis: isLast ? 'bottom' : null,
        label: isLast ? 'seconds' : null,
        labelAnchor: 'right',
        labelArrow: 'none',
      },
      y: {
        type: 'log',
        base: 2,
        domain: powerRange(points.map((point) => point[value])),
        ticks: 3,
        tickFormat: String,
        label,
        labelArrow: 'none',
        tickSize: 4,
      },
      marks: [
        Plot.line(points, {
          x: 'seconds',
          y: value,
          stroke: palette.ink,
          strokeWidth: 1.6,
          curve: 'step-after',
        }),
        Plot.dot(points.slice(-1), { x: 'seconds', y: value, r: 3, fill: palette.accent }),
      ],
    });
  // Before the first acknowledgement there is no rate.
  const flowing = points.slice(points.findIndex(({ rate }) => rate > 0));
  const rate = Plot.plot({
    ...frame,
    height: 190,
    marginTop: 28,
    marginBottom: 8,
    x: { ...x, axis: null },
    y: {
      label: 'vectors per second',
      labelArrow: 'none',
      zero: true,
      nice: true,
      grid: true,
      ticks: 4,
      tickFormat: shortCount,
      tickSize: 4,
    },
    marks: [
      Plot.areaY(flowing, { x: 'seconds', y: 'rate', fill: palette.series, fillOpacity: 0.16 }),
      Plot.line(flowing, { x: 'seconds', y: 'rate', stroke: palette.series, strokeWidth: 2 }),
      Plot.dot(points.slice(-1), { x: 'seconds', y: 'rate', r: 3.5, fill: palette.accent }),
    ],
  });
  const charts = [
    rate,
    steps('batchSize', 'vectors per request', false),
    steps('concurrency', 'requests in flight', true),
  ];
  for (const chart of charts) chart.setAttribute('aria-hidden', 'true');
  return charts as unknown as SVGSVGElement[];
}

/** Powers of two around all values, at least one doubling apart, and a little more so that no line lies on the border. */
function powerRange(values: readonly number[]): [number, number] {
  const low = 2 ** Math.floor(Math.log2(Math.min(...values)));
  const high = 2 ** Math.ceil(Math.log2(Math.max(...values)));
  return [low / 1.2, Math.max(high, low * 2) * 1.2];
}
