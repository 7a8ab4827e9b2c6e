import { checkNumber } from '../core/check.js';
import { MAX_BATCH_SIZE, MAX_CONCURRENCY, MAX_DIMENSION, MAX_ITEMS } from '../core/limits.js';
import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import { latencyMs } from '../model/cost.js';
import { IN_FLIGHT_SHARE } from '../model/memory.js';
import { profileOf } from '../model/profiles.js';
import { fieldsOf } from './arguments.js';
import { checkDimension } from './batch-size-calculator.js';
import { type OptimizerContext, type ResolvedContext, resolveContext } from './context.js';
import { formatSetting } from './explanation.js';
import { searchSetting } from './search.js';

export interface ConcurrencyRequest {
  totalItems: number;
  batchSize: number;
  systemCapacity: {
    /** Most requests in flight that the system takes, 1 .. 1024. */
    maxConcurrentOperations: number;
    /** Share of this machine's memory that vectors in flight may take, above 0 to 100 %. */
    memoryThresholdPercent: number;
  };
  /** Default `generic`. */
  databaseType?: string;
  /** Default 768. */
  vectorDimension?: number;
}

export interface ConcurrencyPlan {
  /** Requests in flight. */
  readonly concurrency: number;
  readonly batches: number;
  /** How often the requests in flight turn over: batches over concurrency, rounded up. */
  readonly waves: number;
  readonly predictedDurationMs: number;
  /** Held by vectors in flight, MB. */
  readonly memoryMb: number;
  readonly explanation: string;
}

export interface Capacity {
  cpuCores: number;
  availableMemoryMb: number;
  /** MB/s */
  ioCapacityMbps: number;
}

export interface OptimalConcurrency {
  readonly concurrency: number;
  readonly bindingConstraint: 'cores' | 'memory' | 'io';
  readonly explanation: string;
}

const DEFAULT_DIMENSION = 768;
/** One request waits for the database while the next is prepared. */
const REQUESTS_PER_CORE = 2;
/** A middling request body, and what it and its copies hold (see `model/memory.ts`: five times the packed vectors). */
const REQUEST_MB = 2;
const HELD_MB = 5 * REQUEST_MB;
/** What one stream moves, MB/s: the generic profile's, and the order of what was measured with PostgreSQL and LanceDB. */
const STREAM_MBPS = 30;

/** Plans how many requests of a given size to keep in flight. */
export class ConcurrentExecutionOptimizer {
  readonly #context: ResolvedContext;

  constructor(context: OptimizerContext = {}) {
    this.#context = resolveContext(context);
  }

  /**
   * How many requests of `batchSize` to keep in flight for a load, and how long it will take. Takes the
   * least concurrency within 3 % of the best rate that the Universal Scalability Law of the database's cost
   * model predicts.
   * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds or unknown.
   * @throws VBO_ERR_MEMORY if the memory does not hold one batch.
   */
  async optimizeConcurrentExecution(request: ConcurrencyRequest): Promise<ConcurrencyPlan> {
    fieldsOf(request, 'request');
    const totalItems = checkNumber(request.totalItems, 'totalItems', {
      min: 1,
      max: MAX_ITEMS,
      integer: true,
    });
    const asked = checkNumber(request.batchSize, 'batchSize', { min: 1, max: MAX_BATCH_SIZE, integer: true });
    const capacity = fieldsOf(request.systemCapacity, 'systemCapacity');
    const maxOperations = checkNumber(
      capacity.maxConcurrentOperations,
      'systemCapacity.maxConcurrentOperations',
      { min: 1, max: MAX_CONCURRENCY, integer: true },
    );
    const percent = checkNumber(capacity.memoryThresholdPercent, 'systemCapacity.memoryThresholdPercent', {
      min: 1e-3,
      max: 100,
    });
    const dimension = checkNumber(request.vectorDimension ?? DEFAULT_DIMENSION, 'vectorDimension', {
      min: 1,
      max: MAX_DIMENSION,
      integer: true,
    });
    const profile = profileOf(request.databaseType ?? 'generic');
    checkDimension(profile, dimension);

    const batchSize = Math.min(asked, totalItems);
    const batches = Math.ceil(totalItems / batchSize);
    const { cost, basis } = this.#context.model.predict(profile, dimension);
    const maxMemoryBytes = (percent / 100) * this.#context.machineMemoryBytes;
    const { chosen, binding } = searchSetting(this.#context.kernels, {
      profile,
      dimension,
      cost,
      objective: 'performance',
      limits: { maxMemoryBytes, maxConcurrency: Math.min(maxOperations, batches) },
      batchSizes: [batchSize],
    });
    const { concurrency } = chosen;
    const waves = Math.ceil(batches / concurrency);
    // The last wave may have fewer requests, which disturb each other less; alone, a request may be shorter too.
    const last = batches - (waves - 1) * concurrency;
    const lastBatch = last === 1 ? totalItems - (batches - 1) * batchSize : batchSize;
    const predictedDurationMs =
      (waves - 1) * chosen.latencyMs + latencyMs(cost, { batchSize: lastBatch, concurrency: last });
    const bound = {
      memory: ` Memory bound it: ${percent} % are ${formatBytes(maxMemoryBytes)}.`,
      concurrency:
        batches < maxOperations
          ? ` The load has no more than ${counted(batches, 'batch', 'batches')}.`
          : ` The system takes no more than ${maxOperations} at once.`,
    };
    return {
      concurrency,
      batches,
      waves,
      predictedDurationMs,
      memoryMb: chosen.memoryBytes / 1e6,
      explanation: `${formatSetting(chosen)}: ${counted(batches, 'batch', 'batches')} in ${counted(waves, 'wave', 'waves')} of ${formatDuration(chosen.latencyMs)}, about ${formatDuration(predictedDurationMs)} in all.${
        bound[binding as keyof typeof bound] ?? ' More in flight would gain less than 3 %.'
      } Based on the ${basis}.`,
    };
  }

  /**
   * A rule of thumb where nothing is known but the machine: two requests per core (one waits while the
   * next is prepared), no more than a twentieth of the memory holds at 2 MB of vectors a request, and no
   * more than fill the path at 30 MB/s a stream; at least 1.
   * @throws VBO_ERR_ARGUMENT naming the argument that is out of its bounds.
   */
  calculateOptimalConcurrency(capacity: Capacity): OptimalConcurrency {
    fieldsOf(capacity, 'capacity');
    const cores = checkNumber(capacity.cpuCores, 'cpuCores', { min: 1, max: 4096, integer: true });
    const memoryMb = checkNumber(capacity.availableMemoryMb, 'availableMemoryMb', { min: 1, max: 1e9 });
    const ioMbps = checkNumber(capacity.ioCapacityMbps, 'ioCapacityMbps', { min: 1e-3, max: 1e9 });
    const bounds = {
      cores: Math.min(MAX_CONCURRENCY, REQUESTS_PER_CORE * cores),
      memory: Math.floor((IN_FLIGHT_SHARE * memoryMb) / HELD_MB),
      io: Math.ceil(ioMbps / STREAM_MBPS),
    };
    const names = ['cores', 'memory', 'io'] as const;
    const bindingConstraint = names.reduce((least, name) => (bounds[name] < bounds[least] ? name : least));
    const concurrency = Math.max(1, bounds[bindingConstraint]);
    return {
      concurrency,
      bindingConstraint,
      explanation: `${concurrency} in flight: ${cores} cores keep ${bounds.cores} busy, ${formatBytes(memoryMb * 1e6)} of memory hold ${bounds.memory}, and ${ioMbps} MB/s are filled by ${bounds.io}.`,
    };
  }
}

const counted = (count: number, one: string, many: string): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;
