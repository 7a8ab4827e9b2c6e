import type { BatchExecutionRecord, Metric, Setting } from '../../core/types.js';
import type { RunProgress } from '../schemas/runs.js';

/** What a run's process is to do; paths and URLs are checked. */
export type RunTask = {
  readonly sink: string;
  readonly metric?: Metric;
  readonly history?: string;
} & (
  | {
      readonly kind: 'ingest';
      readonly source: string;
      readonly memoryBudgetBytes?: number;
      readonly fixed?: Setting;
      readonly maxConcurrency?: number;
      readonly idOffset?: number;
      readonly ledger: string;
      readonly deadLetters: string;
      readonly resume: boolean;
    }
  | {
      readonly kind: 'tune';
      readonly dimension: number;
      readonly source?: string;
      readonly budgetMs?: number;
      readonly exhaustive?: boolean;
    }
);

export type ToRun = { readonly type: 'start'; readonly task: RunTask } | { readonly type: 'cancel' };

/** What an ingest or a tune reports at its end, in snake_case. */
export type RunReport = Record<string, unknown>;

export type FromRun =
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | { readonly type: 'record'; readonly record: BatchExecutionRecord }
  | { readonly type: 'completed'; readonly report: RunReport }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly message: string;
      readonly report: RunReport | null;
    };
