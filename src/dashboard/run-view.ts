import { formatCount, formatDuration } from '../core/units.js';
import type { RunAnswer, RunEvent, RunProgress } from '../server/schemas/runs.js';
import { events, json } from './api.js';
import { byId, make, say, table } from './dom.js';
import { formatMs } from './format.js';
import { drawRun, type RunPoint } from './run-chart.js';

const STATES: Record<RunAnswer['state'], string> = {
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
};
/** Redrawing more often shows nothing new. */
const REDRAW_MS = 120;
const MOST_POINTS = 600;

interface Decision {
  readonly setting: string;
  readonly reason: string;
  readonly seconds: number;
}

/** One run as it goes on: watched by its events until its end. */
export class RunView {
  readonly #run: RunAnswer;
  readonly #onEnd: () => void;
  readonly #stop = new AbortController();
  readonly #points: RunPoint[] = [];
  readonly #decisions: Decision[] = [];
  readonly #parts = {
    state: make('span', { className: 'state', attributes: { role: 'status' } }),
    cancel: make('button', { type: 'button', className: 'quiet' }, 'Cancel'),
    progress: make('progress', { max: 1 }),
    share: make('span', {}),
    facts: make('dl', { className: 'facts' }),
    charts: make('div', { className: 'charts' }),
    decisions: make('div', {}),
    end: make('div', { className: 'end' }),
    refusal: make('p', { className: 'refusal', hidden: true, attributes: { role: 'alert' } }),
  };
  #latest: RunAnswer;
  #redraw: number | undefined;

  constructor(run: RunAnswer, onEnd: () => void) {
    this.#run = run;
    this.#latest = run;
    this.#onEnd = onEnd;
    const { state, cancel, progress, share, facts, charts, decisions, end, refusal } = this.#parts;
    progress.setAttribute('aria-label', 'Share of the run that is done');
    cancel.addEventListener('click', () => this.#cancel());
    const way = run.source === null ? run.sink : `${run.source} → ${run.sink}`;
    const name = run.kind === 'ingest' ? 'Load' : 'Tuning';
    byId('run-view').replaceChildren(
      make('div', { className: 'run-head' }, make('h2', {}, `${name}: ${way}`), state, cancel),
      make('p', { className: 'run-progress' }, progress, share),
      refusal,
      facts,
      end,
      charts,
      decisions,
    );
    this.#show();
    void this.#watch();
  }

  get id(): string {
    return this.#run.id;
  }

  /** Draws the charts again, in the size and theme of now. */
  draw(): void {
    const width = Math.floor(this.#parts.charts.clientWidth);
    if (width === 0) return;
    this.#parts.charts.replaceChildren(...(this.#points.length > 1 ? drawRun(this.#points, width) : []));
  }

  /** Watches no longer; the run goes on. */
  close(): void {
    this.#stop.abort();
    clearTimeout(this.#redraw);
  }

  async #watch(): Promise<void> {
    try {
      for await (const { event, data } of events(`api/v1/runs/${this.id}/events`, this.#stop.signal)) {
        this.#hear({ event, data: JSON.parse(data) } as RunEvent);
        if (event === 'end') break;
      }
      if (this.#stop.signal.aborted) return;
      this.#latest = await json<RunAnswer>(`api/v1/runs/${this.id}`, { signal: this.#stop.signal });
      this.#show();
      this.#onEnd();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#refuse(error);
    }
  }

  #hear(event: Pick<RunEvent, 'event' | 'data'>): void {
    if (event.event === 'end') this.#latest = event.data as RunAnswer;
    else if (event.event === 'setting') {
      const { batch_size, concurrency, reason, elapsed_ms } = event.data as Extract<
        RunEvent,
        { event: 'setting' }
      >['data'];
      this.#decisions.push({
        setting: `${formatCount(batch_size)} × ${concurrency}`,
        reason,
        seconds: elapsed_ms / 1000,
      });
    } else {
      const progress = event.data as RunProgress;
      this.#latest = { ...this.#latest, progress };
      this.#points.push({
        seconds: progress.elapsed_ms / 1000,
        rate: progress.vectors_per_second ?? 0,
        batchSize: progress.setting.batch_size,
        concurrency: progress.setting.concurrency,
      });
      if (this.#points.length > MOST_POINTS) thin(this.#points);
    }
    this.#redraw ??= window.setTimeout(() => {
      this.#redraw = undefined;
      this.#show();
    }, REDRAW_MS);
  }

  async #cancel(): Promise<void> {
    this.#parts.cancel.disabled = true;
    try {
      await json(`api/v1/runs/${this.id}`, { method: 'DELETE' });
      this.#parts.cancel.textContent = 'Ending …';
    } catch (error) {
      this.#parts.cancel.disabled = false;
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    say(this.#parts.refusal, error instanceof Error ? error.message : String(error));
  }

  #show(): void {
    const { state, progress } = this.#latest;
    const parts = this.#parts;
    // A status that is written again would be read out again.
    if (parts.state.dataset.state !== state) parts.state.textContent = STATES[state];
    parts.state.dataset.state = state;
    parts.cancel.hidden = state !== 'running';
    const share = progress?.total ? Math.min(1, progress.done / progress.total) : undefined;
    if (share !== undefined) parts.progress.value = share;
    else if (state === 'running') parts.progress.removeAttribute('value');
    else parts.progress.value = 1;
    parts.share.textContent = this.#shareText(share);
    parts.facts.replaceChildren(...this.#facts());
    this.#showEnd();
    this.draw();
    this.#showDecisions();
  }

  #shareText(share: number | undefined): string {
    const { state, progress } = this.#latest;
    if (!progress) return state === 'running' ? 'starting' : '';
    const unit = this.#run.kind === 'ingest' ? 'vectors' : 'trials';
    const of = progress.total === null ? '' : ` of ${formatCount(progress.total)}`;
    const percent = share === undefined ? '' : `, ${Math.floor(100 * share)} %`;
    return `${formatCount(progress.done)}${of} ${unit}${percent}`;
  }

  #facts(): HTMLElement[] {
    const { progress, state } = this.#latest;
    if (!progress) return [];
    const isRunning = state === 'running';
    const { setting, latency_ms: latency, eta_ms: etaMs } = progress;
    const fact = (name: string, value: string, note: string) =>
      make('div', {}, make('dt', {}, name), make('dd', {}, value), make('dd', { className: 'note' }, note));
    return [
      ...(progress.vectors_per_second === undefined
        ? []
        : [
            fact(
              'Vectors per second',
              formatCount(progress.vectors_per_second),
              isRunning ? 'over two seconds' : 'at the end',
            ),
          ]),
      fact(
        'Setting',
        `${formatCount(setting.batch_size)} × ${setting.concurrency}`,
        'per request × in flight',
      ),
      ...(latency ? [fact('Latency', formatMs(latency.p50), `95 % below ${formatMs(latency.p95)}`)] : []),
      fact(
        'Errors',
        formatCount(progress.rejected ?? 0),
        `rejected, ${formatCount(progress.retries ?? 0)} retries`,
      ),
      isRunning
        ? fact(
            'Time left',
            etaMs === null ? '?' : formatDuration(etaMs),
            `after ${formatDuration(progress.elapsed_ms)}`,
          )
        : fact('Time', formatDuration(progress.elapsed_ms), 'in all'),
    ];
  }

  #showEnd(): void {
    const { state, error, kind } = this.#latest;
    const report = this.#latest.report as Record<string, unknown> | null;
    if (state === 'running') return;
    const lines: string[] = [];
    if (error && state === 'failed') lines.push(`${error.code}: ${error.message}`);
    if (report && kind === 'ingest') lines.push(...ingestWords(report));
    if (report && kind === 'tune' && typeof report.verdict === 'string') lines.push(report.verdict);
    this.#parts.end.replaceChildren(...lines.map((line) => make('p', {}, line)));
  }

  #showDecisions(): void {
    const shown = this.#decisions.slice(-8).reverse();
    if (shown.length === 0) return;
    this.#parts.decisions.replaceChildren(
      table(
        'What was decided, the newest first',
        ['After', 'Setting', 'Why'],
        shown.map(({ setting, reason, seconds }) => [`${seconds.toFixed(1)} s`, setting, reason]),
      ),
    );
  }
}

/** What became of a load, in words. */
function ingestWords(report: Record<string, unknown>): string[] {
  const count = (name: string) => formatCount(Number(report[name] ?? 0));
  const best = report.best as { batch_size: number; concurrency: number } | undefined;
  const counted =
    report.reconciled === true
      ? 'The database’s own count agrees.'
      : report.reconciled === false
        ? 'The database’s own count differs!'
        : '';
  return [
    `${count('acknowledged')} vectors are stored, ${count('rejected')} were rejected; ${count('vectors_per_second')} vectors/s over ${formatDuration(1000 * Number(report.seconds ?? 0))}. ${counted}`,
    ...(best
      ? [`Best setting: ${formatCount(best.batch_size)} vectors per request, ${best.concurrency} in flight.`]
      : []),
  ];
}

/** Leaves out every second point of the older half. */
function thin(points: RunPoint[]): void {
  const older = points.splice(0, points.length / 2);
  points.unshift(...older.filter((_, i) => i % 2 === 0));
}
