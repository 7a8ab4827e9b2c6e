import type { Setting } from '../core/types.js';
import type { TuneReport } from '../ingest/tune-report.js';
import { vectorsPerSecond } from '../model/cost.js';

/** A cell of the throughput surface. */
export interface SurfaceCell extends Setting {
  readonly vectorsPerSecond: number;
  /** `predicted` by the cost model where nothing was measured; `refused` where the database said no. */
  readonly kind: 'measured' | 'predicted' | 'refused';
  readonly isBest: boolean;
}

/** The whole grid: what was measured, and what the model says of the rest. Rows are concurrencies, largest first. */
export function surfaceOf(report: TuneReport): SurfaceCell[][] {
  const { grid, cells, model, best } = report;
  const isBest = (cell: Setting) =>
    cell.batchSize === best.batchSize && cell.concurrency === best.concurrency;
  return [...grid.concurrencies].reverse().map((concurrency) =>
    grid.batchSizes.map((batchSize) => {
      const setting = { batchSize, concurrency };
      const cell = cells.find((one) => one.batchSize === batchSize && one.concurrency === concurrency);
      if (cell?.error) return { ...setting, vectorsPerSecond: 0, kind: 'refused', isBest: false };
      const rate = cell?.vectorsPerSecond ?? vectorsPerSecond(model, setting);
      return {
        ...{ ...setting, vectorsPerSecond: rate, isBest: isBest(setting) },
        kind: cell ? 'measured' : 'predicted',
      };
    }),
  );
}

/** Each shade stands for at least this share of the fastest cell. */
const SHADES = [
  [0.95, '█'],
  [0.8, '▓'],
  [0.5, '▒'],
  [0.2, '░'],
  [0, ' '],
] as const;
const WIDTH = 6;

/**
 * A heat map for a terminal of 80 columns: vectors/s by batch size and requests in flight; `~` marks what is
 * predicted, `*` the recommended cell.
 */
export function surfaceText(report: TuneReport): string {
  const rows = surfaceOf(report);
  const peak = Math.max(...rows.flat().map((cell) => cell.vectorsPerSecond));
  const draw = ({ vectorsPerSecond: rate, kind, isBest }: SurfaceCell) => {
    if (kind === 'refused') return 'x'.padStart(WIDTH);
    const shade = SHADES.find(([share]) => rate >= share * peak)![1];
    return `${shade}${isBest ? '*' : kind === 'predicted' ? '~' : ' '}${short(rate)}`.padEnd(WIDTH);
  };
  const lines = rows.map((row) => `${String(row[0]!.concurrency).padStart(9)}  ${row.map(draw).join('')}`);
  const axis = report.grid.batchSizes.map((size) => `  ${short(size)}`.padEnd(WIDTH)).join('');
  return ['in flight', ...lines, `batch size ${axis}`].map((line) => line.trimEnd()).join('\n');
}

/** At most four characters: `950`, `1.2k`, `98k`, `1.2M`. */
export function short(value: number): string {
  if (value < 1000) return value.toFixed(0);
  const [scaled, unit] = value < 1e6 ? [value / 1e3, 'k'] : [value / 1e6, 'M'];
  return `${scaled < 10 ? scaled.toFixed(1).replace(/\.0$/, '') : scaled.toFixed(0)}${unit}`;
}
