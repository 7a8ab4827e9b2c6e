import { DQNAgent } from '../control/dqn-agent.js';
import type { Logger } from '../core/logger.js';
import { History, type HistoryState } from '../history/history.js';
import { Kernels } from '../kernels/kernels.js';
import type { ModelState } from '../model/model-state.js';
import { PerformanceModel, type TrainingReport } from '../model/performance.js';
import { findProfile } from '../model/profiles.js';
import { checkRecord } from '../model/records.js';
import { forestTrainer } from '../model/residual-forest.js';
import { trainDqn } from './dqn.js';

/** How far a task is. */
export interface LearningProgress {
  readonly stage: 'reading' | 'fitting' | 'training';
  /** Read so far. */
  readonly records: number;
  /** Of a training: share of its rounds that are over, and their recent mean reward. */
  readonly share?: number;
  readonly reward?: number;
}

/** Records in pieces: `next` gives undefined after the last. They are pulled, so that no thread has to handle all at once. */
export interface RecordPages {
  next(): Promise<readonly unknown[] | undefined>;
}

/** What a task is given beside its input. */
export interface TaskContext {
  /** Where its records come from; empty for a task that needs none. */
  readonly pages: RecordPages;
  /** Awaited, so that a task does not run away from who watches it. */
  readonly onProgress: (progress: LearningProgress) => unknown;
}

export interface Fitted {
  readonly state: ModelState;
  readonly report: TrainingReport;
}

export interface HistoryFit extends Fitted {
  /** What of the history it knows. */
  readonly seen: HistoryState;
  /** About the history: that it was damaged, for instance. */
  readonly warnings: readonly string[];
}

/** What the learner's worker can do. A task depends on its arguments alone, so it can be run again if its worker dies. */
export const TASKS = { fitRecords, fitHistory, fitHistoryFile, trainAgent };
export type Tasks = typeof TASKS;

/**
 * Fits what the records say to what `base` knows.
 * @throws VBO_ERR_RECORD if there are records and every one is refused
 */
export async function fitRecords(base: ModelState, context: TaskContext): Promise<Fitted> {
  const model = PerformanceModel.fromJSON(base);
  const records = await readAll(context);
  const report = model.train(records, forestTrainer(Kernels.shared()));
  return { state: model.toJSON(), report };
}

/** Fits a model to all that a history holds: the pages. Records of databases without a profile are passed over. */
export async function fitHistory(seen: HistoryState, context: TaskContext): Promise<HistoryFit> {
  const records = await readAll(context, (record) =>
    Boolean(findProfile((record as { database_type: string }).database_type)),
  );
  const model = new PerformanceModel();
  const report = model.train(records, forestTrainer(Kernels.shared()));
  // Nobody asks which records of a history measured nothing, and there may be many.
  return { state: model.toJSON(), report: { ...report, skipped: [], refused: [] }, seen, warnings: [] };
}

/**
 * The same, of a file.
 * @throws VBO_ERR_HISTORY
 */
export async function fitHistoryFile(path: string, context: TaskContext): Promise<HistoryFit> {
  const warnings: string[] = [];
  const ignore = () => {};
  const warn = (_details: object, message: string) => void warnings.push(message);
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn };
  await using history = await History.open(path, { logger });
  const fit = await fitHistory(await history.state(), { ...context, pages: pagesOf(history) });
  // That it is read-only is said where it is written to.
  return { ...fit, warnings: history.isReadOnly ? [] : warnings };
}

export interface AgentTraining {
  readonly seed?: number;
  readonly steps?: number;
  /** A saved agent to go on from. */
  readonly agent?: Uint8Array;
}

/**
 * Trains a deep Q-network in the simulator and in replays of the records; gives it as `DQNAgent.save` does.
 * @throws VBO_ERR_AGENT; VBO_ERR_RECORD
 */
export async function trainAgent(
  { agent, ...options }: AgentTraining,
  context: TaskContext,
): Promise<Uint8Array> {
  const records = (await readAll(context)).map((record, k) => checkRecord(record, `records[${k}]`));
  const trained = trainDqn({
    ...options,
    ...(agent ? { agent: DQNAgent.load(agent) } : {}),
    records,
    onProgress: ({ step, steps, reward }) =>
      context.onProgress({ stage: 'training', records: records.length, share: step / steps, reward }),
  });
  return trained.save();
}

async function readAll(
  { pages, onProgress }: TaskContext,
  isWanted: (record: unknown) => boolean = () => true,
): Promise<unknown[]> {
  const records: unknown[] = [];
  for (let page = await pages.next(); page; page = await pages.next()) {
    for (const record of page) if (isWanted(record)) records.push(record);
    await onProgress({ stage: 'reading', records: records.length });
  }
  await onProgress({ stage: 'fitting', records: records.length });
  return records;
}

/** The records of a history, for a task. */
export function pagesOf(history: History): RecordPages {
  const pages = history.pages();
  return {
    next: async () => {
      const result = await pages.next();
      return result.done ? undefined : result.value;
    },
  };
}

/** The elements of an array, for a task. */
export function slicesOf(records: readonly unknown[], rows: number): RecordPages {
  let first = 0;
  return {
    next: async () => {
      if (first >= records.length) return undefined;
      first += rows;
      return records.slice(first - rows, first);
    },
  };
}
