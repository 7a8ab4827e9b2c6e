import { Kernels } from '../kernels/kernels.js';
import { PerformanceModel, type TrainingReport } from '../model/performance.js';

/** What the four optimizers work with; they are to share one, so that what one is taught all know. */
export interface OptimizerContext {
  /** Default: the process's own. */
  readonly kernels?: Kernels;
  /** Default: an untrained one, private to the optimizer. */
  readonly model?: PerformanceModel;
  /** Memory of this machine, bytes: what a percentage of the memory refers to. Default 8 GB. */
  readonly machineMemoryBytes?: number;
  /** Fits the model to records. Default: here and now, which for many holds up the event loop. */
  readonly train?: (records: readonly unknown[]) => Promise<TrainingReport>;
}

export interface ResolvedContext extends Required<OptimizerContext> {}

const DEFAULT_MACHINE_MEMORY_BYTES = 8e9;

export function resolveContext(context: OptimizerContext): ResolvedContext {
  const model = context.model ?? new PerformanceModel();
  return {
    kernels: context.kernels ?? Kernels.shared(),
    model,
    train: context.train ?? (async (records) => model.train(records)),
    machineMemoryBytes: context.machineMemoryBytes ?? DEFAULT_MACHINE_MEMORY_BYTES,
  };
}
