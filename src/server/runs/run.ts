import type { RunAnswer, RunEvent, RunProgress, RunState } from '../schemas/runs.js';
import type { FromRun } from './protocol.js';

/** Events kept for those who come late; a `progress` that is lost is made up for by the next. */
const MOST_EVENTS = 1000;

export interface RunFacts {
  readonly id: string;
  readonly kind: 'ingest' | 'tune';
  /** Id of the principal that started it. */
  readonly owner: string;
  /** As the request named them. */
  readonly source: string | null;
  readonly sink: string;
  readonly createdAtMs: number;
}

type Listener = (event: RunEvent) => void;

/** A load or a tuning as its watchers see it: what it is, where it is, and every event in order. */
export class Run {
  readonly facts: RunFacts;
  #state: RunState = 'running';
  #endedAtMs: number | undefined;
  #progress: RunProgress | null = null;
  #report: Record<string, unknown> | null = null;
  #error: { code: string; message: string } | null = null;
  #isCancelled = false;
  #lastId = 0;
  readonly #events: RunEvent[] = [];
  readonly #listeners = new Set<Listener>();

  constructor(facts: RunFacts) {
    this.facts = facts;
  }

  get state(): RunState {
    return this.#state;
  }

  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  get progress(): RunProgress | null {
    return this.#progress;
  }

  get report(): Readonly<Record<string, unknown>> | null {
    return this.#report;
  }

  /** From now on its end is what was wished for, not a failure. */
  cancel(): void {
    this.#isCancelled = true;
  }

  /** Takes over what the run's process says; what comes after its end is not heard. */
  hear(message: FromRun, nowMs: number): void {
    if (this.#state !== 'running') return;
    if (message.type === 'progress') this.#advance(message.progress);
    else if (message.type === 'completed') this.#end('completed', nowMs, message.report, null);
    else if (message.type === 'failed') {
      const { code, message: text, report } = message;
      this.#end(this.#isCancelled ? 'cancelled' : 'failed', nowMs, report, { code, message: text });
    }
  }

  /** Hands over every event behind `afterId` that is still kept, and then each as it comes, until `unsubscribe`. */
  subscribe(afterId: number, listener: Listener): () => void {
    for (const event of this.#events) if (event.id > afterId) listener(event);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The id of the last event. */
  get lastEventId(): number {
    return this.#lastId;
  }

  toAnswer(): RunAnswer {
    const { id, kind, source, sink, createdAtMs } = this.facts;
    return {
      ...{ id, kind, state: this.#state, source, sink },
      created_at: new Date(createdAtMs).toISOString(),
      ended_at: this.#endedAtMs === undefined ? null : new Date(this.#endedAtMs).toISOString(),
      ...{ progress: this.#progress, report: this.#report, error: this.#error },
    };
  }

  #advance(progress: RunProgress): void {
    const before = this.#progress?.setting;
    const { setting, reason = '', elapsed_ms } = progress;
    this.#progress = progress;
    if (before?.batch_size !== setting.batch_size || before.concurrency !== setting.concurrency) {
      this.#emit({ id: ++this.#lastId, event: 'setting', data: { ...setting, reason, elapsed_ms } });
    }
    this.#emit({ id: ++this.#lastId, event: 'progress', data: progress });
  }

  #end(
    state: RunState,
    nowMs: number,
    report: Record<string, unknown> | null,
    error: { code: string; message: string } | null,
  ): void {
    this.#state = state;
    this.#endedAtMs = nowMs;
    this.#report = report;
    this.#error = error;
    this.#emit({ id: ++this.#lastId, event: 'end', data: this.toAnswer() });
    this.#listeners.clear();
  }

  #emit(event: RunEvent): void {
    if (this.#events.length === MOST_EVENTS) this.#events.shift();
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }
}
