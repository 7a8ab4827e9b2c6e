import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BatchExecutionRecord } from '../../core/types.js';
import type { ServerConfig } from '../config.js';
import { HttpError, stopping } from '../http-error.js';
import type { StartRunBody } from '../schemas/runs.js';
import { may, type Principal } from '../scopes.js';
import { allowedSource } from './allowed-path.js';
import { allowedSink } from './allowed-sink.js';
import type { FromRun, RunTask, ToRun } from './protocol.js';
import { Run } from './run.js';
import { type Targets, targetsOf } from './targets.js';

/** A process bypasses a test runner's transform, so it always runs the built file. */
const CHILD = fileURLToPath(new URL('../../../dist/server/runs/child.js', import.meta.url));
/** Ended runs are kept this long, and so many of them. */
const KEPT_MS = 3_600_000;
const MOST_KEPT = 100;
/** A run that was told to end has this long to finish the batches in flight. */
const GRACE_MS = 20_000;
const RETRY_AFTER_SECONDS = 10;
/** What a run's process has no use for. */
const SECRETS = ['VBO_API_KEYS', 'VBO_JWT_SECRET', 'VBO_JWT_PUBLIC_KEY'];

export interface RunsOptions {
  /** A file in which runs record themselves, and whose lessons they begin with. */
  historyPath?: string | undefined;
  /** Every measurement of a run, where there is no such file. */
  onRecord?: (record: BatchExecutionRecord) => void;
  /** When a run has told where it is. */
  onProgress?: (run: Run) => void;
  /** When a run has ended, however. */
  onEnd?: (run: Run) => void;
}

/** The loads and tunings of this service: a bounded number of processes, which outlive the requests that start them. */
export class Runs {
  readonly #config: ServerConfig;
  readonly #options: RunsOptions;
  readonly #runs = new Map<string, Run>();
  readonly #processes = new Map<string, ChildProcess>();
  #isClosed = false;
  /** Starts that wait for the file system. */
  #starting = 0;
  /** First runs of the ledgers that a start is about to go on with. */
  readonly #resuming = new Set<string>();
  /** A ledger is for one process at a time. */
  readonly #ledgers = new Map<string, { run: Run; closed: Promise<unknown> }>();

  constructor(config: ServerConfig, options: RunsOptions = {}) {
    this.#config = config;
    this.#options = options;
  }

  /** Those that run now. */
  active(): Run[] {
    return [...this.#runs.values()].filter((run) => run.state === 'running');
  }

  /**
   * Starts a run and returns at once.
   * @throws HttpError 403 for a source or a sink that is not allowed, 404 for a run to resume that left no ledger, 409
   *   for one that goes on, 503 when as many run as may; VBO_ERR_URL, VBO_ERR_FILE_NOT_FOUND
   */
  async start(body: StartRunBody, principal: Principal): Promise<Run> {
    if (this.#isClosed) throw stopping();
    if (this.active().length + this.#starting >= this.#config.maxRuns) {
      throw new HttpError('VBO_HTTP_BUSY', `${this.#config.maxRuns} runs are under way, as many as may be.`, {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    const resumed = body.kind === 'ingest' ? body.resume?.toLowerCase() : undefined;
    if (resumed !== undefined) this.#reserve(resumed);
    this.#starting++;
    try {
      const id = randomUUID();
      const task = await this.#taskOf(body, id);
      if (this.#isClosed) throw stopping();
      const run = new Run({
        ...{ id, kind: body.kind, owner: principal.id, sink: body.sink, createdAtMs: Date.now() },
        source: body.source ?? null,
      });
      this.#forget();
      this.#runs.set(id, run);
      this.#launch(run, task);
      return run;
    } finally {
      this.#starting--;
      if (resumed !== undefined) this.#resuming.delete(resumed);
    }
  }

  /** Those that the caller may see, newest first. */
  list(principal: Principal): Run[] {
    this.#forget();
    return [...this.#runs.values()].filter((run) => isVisible(run, principal)).reverse();
  }

  /** What a run may be started with. */
  targets(): Promise<Targets> {
    return targetsOf(this.#config);
  }

  /** @throws HttpError 404, also for a run of somebody else */
  get(id: string, principal: Principal): Run {
    const run = this.#runs.get(id.toLowerCase());
    if (run && isVisible(run, principal)) return run;
    throw new HttpError('VBO_HTTP_NOT_FOUND', `There is no run ${id}.`);
  }

  /** Lets it end at a batch boundary, with its ledger; one that has ended stays as it is. */
  cancel(run: Run): void {
    const child = this.#processes.get(run.facts.id);
    if (!child) return;
    run.cancel();
    if (child.connected) child.send({ type: 'cancel' } satisfies ToRun);
    setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
  }

  /** Cancels every run and waits for their ends. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ends = [...this.#processes.values()].map(
      (child) => new Promise<void>((resolve) => child.once('close', () => resolve())),
    );
    for (const run of this.active()) this.cancel(run);
    await Promise.all(ends);
  }

  async #taskOf(body: StartRunBody, id: string): Promise<RunTask> {
    const { allowedSources, allowedSinks } = this.#config;
    const { kind, metric } = body;
    const sink = await allowedSink(body.sink, allowedSinks);
    const source = body.source === undefined ? undefined : await allowedSource(body.source, allowedSources);
    const { historyPath: history } = this.#options;
    const common = {
      ...{ sink, ...(metric === undefined ? {} : { metric }) },
      ...(history === undefined ? {} : { history }),
    };
    if (kind === 'tune') {
      const { dimension, budget_ms: budgetMs, exhaustive } = body;
      return {
        ...{ kind, ...common, dimension },
        ...(source === undefined ? {} : { source }),
        ...(budgetMs === undefined ? {} : { budgetMs }),
        ...(exhaustive === undefined ? {} : { exhaustive }),
      };
    }
    const { memory_mb: memoryMb, fixed, max_concurrency: maxConcurrency, id_offset: idOffset, resume } = body;
    const folder = this.#config.runDirectory;
    // The ledger bears the first run's name for as long as it is gone on with.
    const first = (resume ?? id).toLowerCase();
    const ledger = this.#ledgerOf(first);
    if (resume === undefined) await mkdir(folder, { recursive: true });
    else {
      // A run that has told its end may still be closing its files.
      await this.#ledgers.get(ledger)?.closed;
      await access(ledger).catch(() => {
        throw new HttpError('VBO_HTTP_NOT_FOUND', `There is no ledger of a run ${resume}.`);
      });
    }
    return {
      ...{ kind, ...common, source: source! },
      ...(memoryMb === undefined ? {} : { memoryBudgetBytes: memoryMb * 1e6 }),
      ...(fixed === undefined
        ? {}
        : { fixed: { batchSize: fixed.batch_size, concurrency: fixed.concurrency } }),
      ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
      ...(idOffset === undefined ? {} : { idOffset }),
      ledger,
      deadLetters: join(folder, `${first}.dead-letters.ndjson`),
      resume: resume !== undefined,
    };
  }

  /** At once, before anything is waited for: of two that come together one must find the other. */
  #reserve(id: string): void {
    const holder = this.#ledgers.get(this.#ledgerOf(id));
    if (holder?.run.state === 'running' || this.#resuming.has(id)) {
      throw new HttpError(
        'VBO_HTTP_CONFLICT',
        `The run ${id} is under way; it cannot be resumed before its end.`,
      );
    }
    this.#resuming.add(id);
  }

  #ledgerOf(id: string): string {
    return join(this.#config.runDirectory, `${id}.ledger`);
  }

  #launch(run: Run, task: RunTask): void {
    const environment = { ...process.env };
    for (const name of SECRETS) delete environment[name];
    const child = fork(CHILD, [], {
      env: environment,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const { id } = run.facts;
    this.#processes.set(id, child);
    if (task.kind === 'ingest')
      this.#ledgers.set(task.ledger, { run, closed: once(child, 'close').catch(() => {}) });
    child.on('message', (message: FromRun) => {
      if (message.type === 'record') this.#options.onRecord?.(message.record);
      else {
        run.hear(message, Date.now());
        this.#options.onProgress?.(run);
      }
    });
    const end = (reason: string) => {
      if (!this.#processes.delete(id)) return;
      if (task.kind === 'ingest') this.#ledgers.delete(task.ledger);
      // Unheard if it has said itself how it ended.
      const failure = { code: 'VBO_ERR_INTERNAL', message: `The run’s process ended: ${reason}.` };
      run.hear({ type: 'failed', ...failure, report: null }, Date.now());
      this.#options.onEnd?.(run);
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, signal) => end(signal ?? `exit code ${code}`));
    child.send({ type: 'start', task } satisfies ToRun);
  }

  #forget(): void {
    const ended = [...this.#runs.values()].filter((run) => run.endedAtMs !== undefined);
    for (const [i, run] of ended.entries()) {
      if (i < ended.length - MOST_KEPT || Date.now() - run.endedAtMs! > KEPT_MS)
        this.#runs.delete(run.facts.id);
    }
  }
}

const isVisible = ({ facts }: Run, principal: Principal): boolean =>
  facts.owner === principal.id || may(principal, 'admin');
