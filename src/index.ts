export {
  AdaptiveController,
  type AdaptiveControllerOptions,
  type AttemptReport,
} from './control/adaptive-controller.js';
export { DQNAgent } from './control/dqn-agent.js';
export { BatchEnvironment, type EnvironmentStep } from './control/environment.js';
export type { PolicyName } from './control/policies.js';
export type { Scenario } from './control/scenario.js';
export { ERROR_CODES, type ErrorCode, VectorBatchError } from './core/errors.js';
export type { Logger } from './core/logger.js';
export type { BatchExecutionRecord, Metric, Objective, Setting, SystemResources } from './core/types.js';
export {
  History,
  type HistoryOptions,
  type HistoryState,
  type RecordFilter,
} from './history/history.js';
export type { ExportReport, ImportOptions, ImportReport, RefusedRecord } from './history/record-files.js';
export type {
  ExecuteAttempt,
  ExecuteFailure,
  ExecuteOptions,
  ExecuteResult,
  Operation,
} from './ingest/execute.js';
export type { IngestOptions } from './ingest/options.js';
export type {
  Batch,
  Id,
  Payload,
  RejectedRecord,
  Sink,
  SinkLimits,
  SinkOpenOptions,
  Source,
  SourceChunk,
  WriteOutcome,
} from './ingest/ports.js';
export type { Progress as IngestProgress } from './ingest/progress.js';
export type { IngestReport } from './ingest/report.js';
export type { TuneOptions } from './ingest/tune.js';
export type { TunedCell, TuneProgress, TuneReport } from './ingest/tune-report.js';
export type { ScratchFactory } from './ingest/tune-rounds.js';
export type { LearnOptions } from './learning/model-keeper.js';
export { RLStrategyOptimizer, type RLTrainingOptions } from './learning/rl-strategy-optimizer.js';
export type { LearningProgress } from './learning/tasks.js';
export { type BatchSizeQuestion, MLBatchSizePredictor } from './model/batch-size-predictor.js';
export { FeatureEngineer } from './model/feature-engineer.js';
export { type MemoryPrediction, MemoryUsagePredictor } from './model/memory-predictor.js';
export { type PerformancePrediction, PerformancePredictor } from './model/performance-predictor.js';
export { OptimalBatchSizeCalculator } from './optimizer/batch-size-calculator.js';
export { ConcurrentExecutionOptimizer } from './optimizer/concurrent-execution.js';
export { VectorDimensionAdapter } from './optimizer/dimension-adapter.js';
export { DynamicBatchStrategyOptimizer } from './optimizer/dynamic-strategy.js';
export type { MemoryLayout, MemoryLayoutOptions } from './optimizer/memory-layout.js';
export { openSink } from './sinks/index.js';
export { openSource, type SourceOptions } from './sources/index.js';
export { type OptimizerOptions, VectorBatchOptimizer } from './vector-batch-optimizer.js';
export type { CompactOptions } from './vectors/compact.js';
export { CompactBlock } from './vectors/compact-block.js';
export type { Calibration, Encoding } from './vectors/encoding.js';
export type { PackOptions, Vectors } from './vectors/pack.js';
export type { SearchOptions, SearchResult } from './vectors/search.js';
export { type Layout, VectorBlock } from './vectors/vector-block.js';
