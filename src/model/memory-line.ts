import { Random } from '../core/random.js';
import { median, quantile } from '../core/statistics.js';
import type { Aggregate } from './aggregate.js';
import { heldOutError, WORTHWHILE } from './cross-validate.js';
import { peakMb } from './memory.js';
import type { DatabaseProfile } from './profile.js';

/** Peak resident memory of a load as a line over the vectors in flight. */
export interface MemoryLine {
  readonly baseMb: number;
  readonly mbPerVector: number;
}

/** Cells that a line can be laid through. */
const FEWEST_CELLS = 6;
/** Of more, as many are looked at: the slopes are of every two. */
const MOST_CELLS = 512;

export const peakOnLine = ({ baseMb, mbPerVector }: MemoryLine, inFlight: number): number =>
  baseMb + mbPerVector * inFlight;

/**
 * The line through measured peaks, by the median of pairwise slopes (Theil 1950, Sen 1968), which half of the cells
 * cannot bend; undefined where memory does not grow with what is in flight, or too little was measured.
 */
export function memoryLine(cells: readonly Aggregate[]): MemoryLine | undefined {
  const measured = cells.flatMap(({ batchSize, concurrency, peakRssMb }) =>
    peakRssMb === null ? [] : [{ x: batchSize * concurrency, y: peakRssMb }],
  );
  const step = Math.ceil(measured.length / MOST_CELLS);
  const points = measured.filter((_, k) => k % step === 0);
  if (points.length < FEWEST_CELLS) return undefined;
  const slopes = points.flatMap((a, i) =>
    points.slice(i + 1).flatMap((b) => (a.x === b.x ? [] : [(b.y - a.y) / (b.x - a.x)])),
  );
  const mbPerVector = median(slopes);
  if (!(mbPerVector > 0)) return undefined;
  // A peak is to be planned for: three quarters of what was seen lies below the line.
  const baseMb = quantile(
    points.map(({ x, y }) => y - mbPerVector * x),
    0.75,
  );
  return { baseMb, mbPerVector };
}

/** The line, if it is nearer than the accounting of `memory.ts` to peaks that it was not fitted to, by a twentieth. */
export function worthwhileMemoryLine(
  profile: DatabaseProfile,
  dimension: number,
  cells: readonly Aggregate[],
): MemoryLine | undefined {
  const line = memoryLine(cells);
  if (!line) return undefined;
  const measured = cells.filter((cell) => cell.peakRssMb !== null);
  const byAccounting = (cell: Aggregate) => Math.log(peakMb(profile, dimension, cell));
  const errorOf = (learn: (training: readonly Aggregate[]) => (cell: Aggregate) => number) =>
    heldOutError(measured, (cell) => Math.log(cell.peakRssMb!), learn, new Random(1));
  const byLine = (training: readonly Aggregate[]) => {
    const learnt = memoryLine(training);
    return (cell: Aggregate) =>
      learnt
        ? Math.log(Math.max(1, peakOnLine(learnt, cell.batchSize * cell.concurrency)))
        : byAccounting(cell);
  };
  return errorOf(byLine) < WORTHWHILE * errorOf(() => byAccounting) ? line : undefined;
}
