import type { BatchExecutionRecord } from '../core/types.js';
import { formatCount } from '../core/units.js';
import type { HistoryAnswer } from '../server/schemas/history.js';
import { accuracyOf, type Measured } from './accuracy.js';
import { drawAccuracy } from './accuracy-chart.js';
import { json } from './api.js';
import { byId, make, table } from './dom.js';
import { engine } from './engine.js';
import { formatMoment, formatMs } from './format.js';
import { teachEngine } from './lessons.js';

const MOST_RECORDS = 2000;
const LISTED = 20;

/** The page that holds what was predicted against what was measured. */
export class History {
  readonly #view = byId('history-view');
  #measured: readonly Measured[] = [];
  #chosen = '';
  #chart: HTMLElement | undefined;

  constructor() {
    new ResizeObserver(() => this.draw()).observe(this.#view);
  }

  /** Asks for the records and what the model expects at their settings. */
  async open(): Promise<void> {
    try {
      const answer = await json<HistoryAnswer>(`api/v1/history?limit=${MOST_RECORDS}`);
      const records = answer.records as BatchExecutionRecord[];
      await teachEngine();
      const expected = await engine.predict(records);
      this.#measured = records.flatMap((record, i) => {
        const rate = record.throughput_vps ?? 0;
        const expectation = expected[i];
        return record.success && rate > 0 && expectation ? [{ record, rate, ...expectation }] : [];
      });
      this.#show(records, answer.total);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#view.replaceChildren(
        make(
          'div',
          { className: 'panel stack' },
          make('h2', {}, 'No history'),
          make('p', { className: 'hint' }, message),
        ),
      );
    }
  }

  draw(): void {
    if (!this.#chart || this.#chart.clientWidth === 0) return;
    const shown = this.#measured.filter(
      ({ record }) => this.#chosen === '' || keyOf(record) === this.#chosen,
    );
    this.#chart.replaceChildren(drawAccuracy(shown, Math.floor(this.#chart.clientWidth)));
  }

  #show(records: readonly BatchExecutionRecord[], total: number): void {
    if (records.length === 0) {
      this.#view.replaceChildren(
        make(
          'div',
          { className: 'panel stack' },
          make('h2', {}, 'No records yet'),
          make(
            'p',
            { className: 'hint' },
            'Every load and every tuning adds some; the model learns from them.',
          ),
        ),
      );
      return;
    }
    this.#chart = make('div', {
      className: 'charts',
      attributes: {
        role: 'img',
        'aria-label': 'Predicted over measured rates; the table above has their medians.',
      },
    });
    this.#view.replaceChildren(
      make(
        'div',
        { className: 'stack' },
        this.#accuracyPanel(),
        make(
          'div',
          { className: 'panel stack' },
          make('h2', {}, `The newest of ${formatCount(total)} records`),
          recordTable(records.slice(0, LISTED)),
        ),
      ),
    );
    this.draw();
  }

  #accuracyPanel(): HTMLElement {
    const groups = new Map<string, Measured[]>();
    for (const measured of this.#measured) {
      const key = keyOf(measured.record);
      groups.set(key, [...(groups.get(key) ?? []), measured]);
    }
    const select = make('select', { id: 'history-pair' }, make('option', { value: '' }, 'All databases'));
    for (const key of groups.keys()) select.append(make('option', { value: key }, key));
    if (!groups.has(this.#chosen)) this.#chosen = '';
    select.value = this.#chosen;
    select.addEventListener('change', () => {
      this.#chosen = select.value;
      this.draw();
    });
    const rows = [...groups].map(([key, measured]) => {
      const { taught, prior } = accuracyOf(measured);
      const settings = new Set(measured.map(({ record }) => `${record.batch_size}x${record.concurrency}`));
      return [key, percent(taught), percent(prior), formatCount(measured.length), formatCount(settings.size)];
    });
    return make(
      'div',
      { className: 'panel stack' },
      make('h2', {}, 'Predicted against measured'),
      table(
        'How far the model is off, by database and dimension',
        ['Database', 'Off now', 'Off without records', 'Measured', 'Settings'],
        rows,
      ),
      make(
        'p',
        { className: 'hint' },
        '“Off” is the median of |predicted / measured − 1| over the settings at least half as fast as the fastest, where a choice is made. The model may have learnt from these records.',
      ),
      make(
        'label',
        { className: 'field chooser', htmlFor: 'history-pair' },
        make('span', {}, 'Shown below'),
        select,
      ),
      this.#chart!,
      make(
        'ul',
        { className: 'legend' },
        make('li', {}, make('span', { className: 'key taught' }), 'predicted now'),
        make('li', {}, make('span', { className: 'key prior' }), 'predicted without records'),
        make('li', {}, make('span', { className: 'key isoline' }), 'as measured, and 25 % either way'),
      ),
    );
  }
}

const keyOf = ({ database_type, vector_dimension }: BatchExecutionRecord): string =>
  `${database_type}, ${vector_dimension} dimensions`;

const percent = (error: number | undefined): string =>
  error === undefined ? '' : `${Math.round(100 * error)} %`;

function recordTable(records: readonly BatchExecutionRecord[]): HTMLElement {
  // What fits a phone comes first; the rest is scrolled to.
  const cells = records.map((record) => [
    record.database_type,
    formatCount(record.vector_dimension),
    `${formatCount(record.batch_size)} × ${record.concurrency}`,
    record.throughput_vps ? formatCount(record.throughput_vps) : '',
    record.batch_p50_ms ? formatMs(record.batch_p50_ms) : '',
    record.ts === undefined ? '' : formatMoment(record.ts),
    record.success ? 'stored' : (record.error ?? 'failed'),
  ]);
  return table(
    'The newest records',
    ['Database', 'Dimension', 'Setting', 'Vectors/s', 'Median latency', 'When', 'Outcome'],
    cells,
  );
}
