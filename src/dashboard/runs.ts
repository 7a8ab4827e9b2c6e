import { formatCount } from '../core/units.js';
import type { RunAnswer, RunList, StartRunBody } from '../server/schemas/runs.js';
import { json } from './api.js';
import { byId, make, say, table } from './dom.js';
import { RunView } from './run-view.js';

/** The page where runs are started, watched and ended. */
export class Runs {
  #view: RunView | undefined;
  #runs: readonly RunAnswer[] = [];

  constructor() {
    const form = byId<HTMLFormElement>('start');
    for (const radio of form.querySelectorAll<HTMLInputElement>('input[name="kind"]')) {
      radio.addEventListener('change', () => this.#showKind());
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#start(form);
    });
    this.#showKind();
    new ResizeObserver(() => this.#view?.draw()).observe(byId('run'));
    this.#showNothing();
  }

  /** Asks for the runs of the last hour, and watches the newest that goes on if none is watched. */
  async open(): Promise<void> {
    try {
      const { runs, allowed } = await json<RunList>('api/v1/runs');
      this.#runs = runs;
      suggest('known-sinks', [...allowed.sinks, ...runs.map(({ sink }) => sink)]);
      suggest('known-sources', allowed.sources);
    } catch (error) {
      say(byId('start-refusal'), error instanceof Error ? error.message : String(error));
      return;
    }
    this.#list();
    const running = this.#runs.find(({ state }) => state === 'running') ?? this.#runs[0];
    if (!this.#view && running) this.#watch(running);
  }

  draw(): void {
    this.#view?.draw();
  }

  async #start(form: HTMLFormElement): Promise<void> {
    const button = form.querySelector<HTMLButtonElement>('button[type="submit"]')!;
    button.disabled = true;
    say(byId('start-refusal'), undefined);
    try {
      const run = await json<RunAnswer>('api/v1/runs', { method: 'POST', body: bodyOf(new FormData(form)) });
      this.#watch(run);
      await this.open();
    } catch (error) {
      say(byId('start-refusal'), error instanceof Error ? error.message : String(error));
    } finally {
      button.disabled = false;
    }
  }

  #watch(run: RunAnswer): void {
    this.#view?.close();
    this.#view = new RunView(run, () => void this.open());
  }

  #list(): void {
    const rows = this.#runs.map((run) => {
      const watch = make('button', { type: 'button', className: 'quiet' }, 'Show');
      watch.setAttribute('aria-label', `Show the run into ${run.sink}`);
      watch.addEventListener('click', () => this.#watch(run));
      return [
        new Date(run.created_at).toLocaleTimeString(),
        run.kind === 'ingest' ? 'load' : 'tuning',
        run.source === null ? run.sink : `${run.source} → ${run.sink}`,
        run.progress ? formatCount(run.progress.done) : '',
        run.state,
        watch,
      ];
    });
    byId('run-list').replaceChildren(
      rows.length === 0
        ? make('p', { className: 'hint' }, 'None in the last hour.')
        : table('The runs of the last hour', ['Started', 'Kind', 'What', 'Done', 'State', ''], rows),
    );
  }

  #showNothing(): void {
    byId('run-view').replaceChildren(
      make('h2', {}, 'No run yet'),
      make(
        'p',
        { className: 'hint' },
        'A run that is started here is watched here: its rate, its setting and why, its latency and errors, and the time left.',
      ),
    );
  }

  /** Shows the fields of the chosen kind, and asks for those alone. */
  #showKind(): void {
    const kind = document.querySelector<HTMLInputElement>('input[name="kind"]:checked')!.value;
    for (const field of document.querySelectorAll<HTMLElement>('[data-kind]')) {
      const isShown = field.dataset.kind === kind;
      field.hidden = !isShown;
      for (const input of field.querySelectorAll('input')) input.disabled = !isShown;
    }
    byId<HTMLInputElement>('run-source').required = kind === 'ingest';
  }
}

/** Offers values to a text field by its list. */
function suggest(list: string, values: readonly string[]): void {
  byId(list).replaceChildren(...[...new Set(values)].map((value) => make('option', { value })));
}

/** The body of a request to start a run, from the form's fields. */
function bodyOf(form: FormData): StartRunBody {
  const text = (name: string) => String(form.get(name) ?? '').trim();
  const sink = text('sink');
  if (text('kind') === 'tune') {
    return {
      kind: 'tune',
      sink,
      dimension: Number(text('dimension')),
      budget_ms: 1000 * Number(text('budget')),
    };
  }
  const fixed = /^(\d+)\s*[x×]\s*(\d+)$/.exec(text('fixed'));
  return {
    kind: 'ingest',
    source: text('source'),
    sink,
    ...(fixed ? { fixed: { batch_size: Number(fixed[1]), concurrency: Number(fixed[2]) } } : {}),
  };
}
