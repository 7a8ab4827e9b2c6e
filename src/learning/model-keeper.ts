import type { WallClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { BatchExecutionRecord } from '../core/types.js';
import { type History, MEMORY } from '../history/history.js';
import type { PerformanceModel, TrainingReport } from '../model/performance.js';
import type { Learner, RunOptions } from './learner.js';
import { ModelFile } from './model-file.js';
import { fitHistory, fitRecords, type HistoryFit, pagesOf, slicesOf } from './tasks.js';

export interface ModelKeeperOptions {
  readonly model: PerformanceModel;
  readonly learner: Learner;
  readonly history: History | undefined;
  readonly logger: Logger;
  readonly clock: WallClock;
}

export type LearnOptions = Omit<RunOptions, 'pages'>;

/** So few are learnt from where they are: it takes less than waking a thread. */
const INLINE_RECORDS = 200;
/** What is cloned to the worker at once: about 2 ms of the event loop. */
const SLICE_ROWS = 500;

/** Keeps the performance model in step with what is recorded, and on the disk beside the history. */
export class ModelKeeper {
  readonly #options: ModelKeeperOptions;
  readonly #file: ModelFile | undefined;
  #refreshing: Promise<void> | undefined;
  #isStale = false;

  constructor(options: ModelKeeperOptions) {
    this.#options = options;
    const { history, logger, clock } = options;
    if (history && history.path !== MEMORY) {
      this.#file = new ModelFile(`${history.path}.model.json`, { logger, clock });
    }
  }

  /**
   * Takes over the model on the disk, and learns anew if the history has changed since. Whatever goes wrong is a
   * warning: the model stays as it was.
   */
  async start(): Promise<void> {
    const { history, model } = this.#options;
    if (!history) return;
    const saved = await this.#file?.load();
    if (saved) model.load(saved.state);
    const now = await history.state().catch(() => undefined);
    if (now?.newestId !== (saved?.seen.newestId ?? 0) || now.count !== (saved?.seen.count ?? 0)) {
      await this.refresh();
    }
  }

  /** Has the history learnt from in the background, once more if that is under way. What goes wrong is a warning. */
  async refresh(): Promise<void> {
    this.#isStale = true;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /**
   * Fits the model to all that the history holds, and writes it down.
   * @throws VBO_ERR_ARGUMENT without a history; VBO_ERR_HISTORY, VBO_ERR_LEARNER, VBO_ERR_ABORTED
   */
  async learn(options: LearnOptions = {}): Promise<TrainingReport> {
    const { model, logger, history } = this.#options;
    if (!history) throw new VectorBatchError('VBO_ERR_ARGUMENT', 'There is no history to learn from.');
    const fit = await this.#fit(history, options);
    for (const warning of fit.warnings) logger.warn({}, warning);
    model.load(fit.state);
    await this.#file?.save({ state: fit.state, seen: fit.seen });
    return fit.report;
  }

  /** Waits for what is under way. */
  async settle(): Promise<void> {
    await this.#refreshing;
  }

  /**
   * Fits the model to the records, which go into the history if there is one; what that holds of their databases takes
   * part then.
   * @throws VBO_ERR_RECORD if there are records and every one is refused; VBO_ERR_HISTORY if they cannot be kept;
   *   VBO_ERR_LEARNER
   */
  async train(records: readonly unknown[]): Promise<TrainingReport> {
    const { model, learner, history } = this.#options;
    const base = model.toJSON();
    const pages = () => slicesOf(records, SLICE_ROWS);
    const { state, report } =
      records.length <= INLINE_RECORDS
        ? await fitRecords(base, { pages: pages(), onProgress: () => {} })
        : await learner.run('fitRecords', base, { pages });
    if (!history) {
      model.load(state);
      return report;
    }
    const refused = new Set(report.refused.map(({ index }) => index));
    await history.append(records.filter((_, index) => !refused.has(index)) as BatchExecutionRecord[]);
    const whole = await this.learn();
    const isTouched = ({ database }: { database: string }) =>
      report.databases.some((fit) => fit.database === database) ||
      report.limits.some((limit) => limit.database === database);
    return {
      ...report,
      databases: whole.databases.filter(isTouched),
      limits: whole.limits.filter(isTouched),
    };
  }

  async #refresh(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      await this.learn().catch((error) => {
        const { message } = toVectorBatchError(error, 'VBO_ERR_LEARNER', 'Learning failed');
        this.#options.logger.warn({}, `What the history holds is not learnt from: ${message}`);
      });
    }
  }

  async #fit(history: History, options: LearnOptions): Promise<HistoryFit> {
    const { learner } = this.#options;
    const seen = await history.state();
    const pages = () => pagesOf(history);
    if (seen.count <= INLINE_RECORDS) return fitHistory(seen, { pages: pages(), onProgress: () => {} });
    if (history.path === MEMORY) return learner.run('fitHistory', seen, { ...options, pages });
    return learner.run('fitHistoryFile', history.path, options);
  }
}
