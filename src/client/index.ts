export type { AdaptDimensionAnswer, AdaptDimensionBody } from '../server/schemas/adapt-dimension.js';
export type { CalculateSizeAnswer, CalculateSizeBody } from '../server/schemas/calculate-size.js';
export type { ErrorAnswer, Problem } from '../server/schemas/common.js';
export type { HealthAnswer } from '../server/schemas/health.js';
export type { AppendAnswer, HistoryAnswer } from '../server/schemas/history.js';
export type {
  OptimizeConcurrencyAnswer,
  OptimizeConcurrencyBody,
} from '../server/schemas/optimize-concurrency.js';
export type { OptimizeLayoutAnswer } from '../server/schemas/optimize-layout.js';
export type { OptimizeStrategyAnswer, OptimizeStrategyBody } from '../server/schemas/optimize-strategy.js';
export type { ExecutionRecord } from '../server/schemas/record.js';
export type {
  RunAnswer,
  RunEvent,
  RunList,
  RunProgress,
  RunState,
  StartRunBody,
} from '../server/schemas/runs.js';
export type { ModelAnswer, TrainAnswer } from '../server/schemas/training.js';
export {
  type CallOptions,
  Client,
  type ClientOptions,
  type HistoryFilter,
  type LayoutOptions,
} from './client.js';
export type { RetryOptions } from './retry.js';
export { ServiceError } from './service-error.js';
