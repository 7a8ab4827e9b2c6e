/**
 * Fits the measured databases' cost laws to sweeps and writes `src/model/measured-laws.ts`, or with `--sinks` those of
 * our own sinks to what exhaustive tunings measured.
 *
 *     npx tsx bench/fit-profiles.ts test/data/sweeps/*.jsonl > src/model/measured-laws.ts
 *     npx tsx bench/fit-profiles.ts --sinks test/data/sinks/*.jsonl > src/model/sink-laws.ts
 *     npx biome check --write src/model
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { median } from '../src/core/statistics.js';
import type { BatchExecutionRecord } from '../src/core/types.js';
import { serviceMs, vectorsPerSecond } from '../src/model/cost.js';
import { fitCostModel, type LatencySample } from '../src/model/fit.js';
import { toSample } from '../src/model/records.js';
import { weighByRate } from '../src/model/weights.js';

/** Where only one dimension was measured; LanceDB's two give a smaller share, SQL rows carry more besides the vector. */
const ASSUMED_ROW_SHARE = 0.25;
/** Batch at which two dimensions' costs of a vector are compared. */
const COMPARED_BATCH = 1024;

const byDatabase = new Map<string, Map<number, LatencySample[]>>();
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { sinks: { type: 'boolean' } },
});
for (const path of positionals) {
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const record = JSON.parse(line) as BatchExecutionRecord;
    const sample = toSample(record);
    if ('unmeasured' in sample) continue;
    const byDimension = byDatabase.get(record.database_type) ?? new Map<number, LatencySample[]>();
    byDatabase.set(record.database_type, byDimension);
    const samples = byDimension.get(record.vector_dimension) ?? [];
    byDimension.set(record.vector_dimension, [...samples, sample]);
  }
}

const round = (value: number): number => Number(value.toPrecision(4));

const entries = [...byDatabase]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([database, byDimension]) => {
    const fits = [...byDimension]
      .sort(([a], [b]) => a - b)
      .map(([dimension, samples]) => ({ dimension, samples, model: fitCostModel(weighByRate(samples)) }));
    const first = fits[0]!;
    const last = fits.at(-1)!;
    let rowShare = ASSUMED_ROW_SHARE;
    if (last !== first) {
      const cost = (fit: typeof first) =>
        (serviceMs(fit.model, COMPARED_BATCH) - fit.model.fixedMs) / COMPARED_BATCH;
      const slope = (cost(last) - cost(first)) / (last.dimension - first.dimension);
      rowShare = Math.min(1, Math.max(0, 1 - (slope * first.dimension) / cost(first)));
    }
    const errors = fits.flatMap(({ samples, model }) =>
      samples.map((s) =>
        Math.abs((vectorsPerSecond(model, s) * s.latencyMs) / (1000 * s.batchSize * s.concurrency) - 1),
      ),
    );
    return `  '${database}': {
    referenceDimension: ${first.dimension},
    rowShare: ${round(rowShare)},
    model: {
      fixedMs: ${round(first.model.fixedMs)},
      perVectorMs: ${round(first.model.perVectorMs)},
      superLinearMs: ${round(first.model.superLinearMs)},
      sigma: ${round(first.model.sigma)},
      kappa: ${round(first.model.kappa)},
    },
    dimensions: [${fits.map((fit) => fit.dimension).join(', ')}],
    cells: ${errors.length},
    medianAbsoluteRelativeError: ${round(median(errors))},
  },`;
  });

const SWEPT_LAWS = `import type { CostLaw } from './law.js';

/** A law that was fitted to a sweep, and how well it fits. */
export interface MeasuredLaw extends CostLaw {
  /** Dimensions that were swept; with one only, the row share is assumed. */
  readonly dimensions: readonly number[];
  /** Measured cells the fit used. */
  readonly cells: number;
  /** Of the rate, over those cells. */
  readonly medianAbsoluteRelativeError: number;
}

/** Written by \`bench/fit-profiles.ts\` from the sweeps in \`test/data/sweeps\`; not edited by hand. */
export const MEASURED_LAWS = {
${entries.join('\n')}
} as const satisfies Record<string, MeasuredLaw>;
`;

const SINK_LAWS = `import type { MeasuredLaw } from './measured-laws.js';

/**
 * What our own sinks cost, by their database: they send otherwise than the clients of the sweeps, and the best batch
 * with them is another one. Written by \`bench/fit-profiles.ts --sinks\` from the exhaustive tunings in
 * \`test/data/sinks\`; not edited by hand.
 */
export const SINK_LAWS: Readonly<Record<string, MeasuredLaw>> = {
${entries.join('\n')}
};
`;

process.stdout.write(values.sinks ? SINK_LAWS : SWEPT_LAWS);
