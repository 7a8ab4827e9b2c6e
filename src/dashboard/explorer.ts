import type { Setting } from '../core/types.js';
import { formatBytes, formatCount } from '../core/units.js';
import { vectorsPerSecond } from '../model/cost.js';
import type { BatchSizeRecommendation } from '../optimizer/batch-size-calculator.js';
import type { CostSurface } from '../optimizer/surface.js';
import { drawColourRamp } from './colour-ramp.js';
import { byId, make, say, table } from './dom.js';
import { engine, latest } from './engine.js';
import { formatMs } from './format.js';
import { drawHeatMap, type HeatMap, MAP_AXES, nearest, shown } from './heat-map.js';
import { LoadForm, objectiveLabel } from './load-form.js';

type Found = { recommendation: BatchSizeRecommendation; surface: CostSurface };

const BINDING_NAMES: Record<BatchSizeRecommendation['bindingConstraint'], string> = {
  none: 'nothing',
  memory: 'memory',
  request_bytes: 'request size',
  rows: 'rows per request',
  latency: 'latency',
  concurrency: 'concurrency',
  items: 'the load itself',
  io: 'the path',
};

/** The page where a load is described and every setting is weighed, at once and in the page itself. */
export class Explorer {
  readonly #form: LoadForm;
  readonly #map = byId('map');
  #found: Found | undefined;
  #picture: HeatMap | undefined;
  #width = 0;
  /** Where the cursor is; undefined: at the best setting. */
  #cursor: Setting | undefined;

  /** `onQuery` hears of every change, in the form an address takes. */
  constructor(onQuery: (query: string) => void) {
    this.#form = new LoadForm(() => {
      onQuery(this.#form.query);
      this.update();
    });
    new ResizeObserver(([entry]) => {
      const width = Math.floor(entry!.contentRect.width);
      if (width === this.#width || width === 0) return;
      this.#width = width;
      this.draw();
    }).observe(byId('plot'));
    this.#bindCursor();
    byId('copy').addEventListener('click', async () => {
      await navigator.clipboard.writeText(byId('command').textContent ?? '');
      byId('copy').textContent = 'Copied';
      setTimeout(() => {
        byId('copy').textContent = 'Copy';
      }, 1500);
    });
  }

  set query(text: string) {
    this.#form.query = text;
    this.update();
  }

  get query(): string {
    return this.#form.query;
  }

  /** Computes again. */
  update(): void {
    this.#explore(undefined);
  }

  /** Draws again what was computed, in the size and theme of now. */
  draw(): void {
    drawColourRamp(byId<HTMLCanvasElement>('ramp'));
    if (!this.#found || this.#width === 0) return;
    this.#picture = drawHeatMap(this.#found, this.#width);
    byId('plot').replaceChildren(this.#picture.svg);
    this.#showCursor();
  }

  readonly #explore = latest(
    async () => {
      const explored = await engine.explore(this.#form.request, MAP_AXES);
      this.#map.classList.toggle('stale', 'refusal' in explored);
      if ('refusal' in explored) {
        say(byId('refusal'), explored.refusal);
        return;
      }
      say(byId('refusal'), undefined);
      this.#found = explored;
      this.#cursor = undefined;
      this.#show(explored);
      this.draw();
      // One picture a frame: what was dragged meanwhile comes next.
      await new Promise(requestAnimationFrame);
    },
    (error) => say(byId('refusal'), error instanceof Error ? error.message : String(error)),
  );

  #show({ recommendation, surface }: Found): void {
    const { predicted, interval, alternatives, model } = recommendation;
    const text = (id: string, value: string) => {
      byId(id).textContent = value;
    };
    text('batch-size', formatCount(recommendation.recommendedBatchSize));
    text('concurrency', formatCount(recommendation.recommendedConcurrency));
    text('rate', `${formatCount(predicted.throughputVps)}`);
    text('interval', `likely ${formatCount(interval.low)} to ${formatCount(interval.high)}`);
    text('latency', formatMs(predicted.batchLatencyMs));
    text('memory-in-flight', formatBytes(predicted.memoryMb * 1e6));
    text('binding', BINDING_NAMES[recommendation.bindingConstraint]);
    text(
      'binding-note',
      recommendation.bindingConstraint === 'none' ? 'no limit in the way' : 'marked in the map',
    );
    text('confidence', recommendation.confidence.toFixed(2));
    text('basis', model.records > 0 ? `${formatCount(model.records)} records` : 'no records yet');
    text('explanation', recommendation.explanation);
    text('map-objective', objectiveLabel(this.#form.request.objective).toLowerCase());
    text('command', this.#command());
    byId('alternatives').replaceChildren(
      ...(alternatives.length === 0
        ? []
        : [
            table(
              'Alternatives',
              ['Instead', 'Vectors/s', 'Latency', 'In flight', 'It is'],
              alternatives.map((other) => [
                `${formatCount(other.batchSize)} × ${other.concurrency}`,
                formatCount(other.throughputVps),
                formatMs(other.batchLatencyMs),
                formatBytes(other.memoryMb * 1e6),
                other.why,
              ]),
            ),
          ]),
    );
    this.#showLegend(surface);
  }

  #showLegend({ plateauScore, ceilingScore }: CostSurface): void {
    const plateau =
      ceilingScore < 1
        ? 'fills the path, the smallest is best'
        : `as good as the best within ${Math.round(100 * (1 / plateauScore - 1))} %, the smallest is taken`;
    const entry = (key: string, words: string) =>
      make('li', {}, make('span', { className: `key ${key}`, attributes: { 'aria-hidden': 'true' } }), words);
    byId('legend').replaceChildren(
      entry('best', 'recommended'),
      entry('plateau', plateau),
      entry('isoline', 'equally good: 25, 50, 75, 90 %'),
      entry('hatched', 'passes a limit'),
      entry('binding', 'the limit that binds'),
    );
  }

  #command(): string {
    const {
      itemCount,
      vectorDimension,
      databaseType,
      systemResources: machine,
      objective,
    } = this.#form.request;
    const parts = [
      `vbo recommend --items ${itemCount} --dim ${vectorDimension} --database ${databaseType}`,
      `--memory ${machine.availableMemoryMb} --cores ${machine.cpuCores} --io ${machine.ioBandwidthMbps}`,
      ...(objective === 'performance' ? [] : [`--objective ${objective}`]),
    ];
    return parts.join(' ');
  }

  #bindCursor(): void {
    // Only with this script does the map listen to keys.
    this.#map.tabIndex = 0;
    this.#map.setAttribute('role', 'group');
    this.#map.setAttribute(
      'aria-label',
      'How good every setting is. Arrow keys move the cursor, Home returns to the recommended one.',
    );
    this.#map.setAttribute('aria-describedby', 'readout');
    const plot = byId('plot');
    plot.addEventListener('pointermove', (event) => {
      if (!this.#picture) return;
      const box = this.#picture.svg.getBoundingClientRect();
      this.#moveTo(this.#picture.settingAt(event.clientX - box.left, event.clientY - box.top));
    });
    plot.addEventListener('pointerleave', () => this.#moveTo(undefined));
    this.#map.addEventListener('keydown', (event) => {
      const step = KEY_STEPS[event.key];
      if (!step || !this.#found) return;
      event.preventDefault();
      if (step === 'home') return this.#moveTo(undefined);
      const from = this.#cursor ?? bestOf(this.#found.recommendation);
      const grown = (value: number, direction: number) =>
        direction === 0
          ? value
          : direction > 0
            ? Math.max(value + 1, value * 2 ** 0.25)
            : Math.min(value - 1, value / 2 ** 0.25);
      this.#moveTo(
        nearest({ batchSize: grown(from.batchSize, step.x), concurrency: grown(from.concurrency, step.y) }),
      );
    });
  }

  #moveTo(setting: Setting | undefined): void {
    this.#cursor = setting;
    this.#showCursor();
  }

  #showCursor(): void {
    const cursor = byId('cursor');
    cursor.hidden = this.#cursor === undefined;
    if (!this.#found || !this.#picture) return;
    if (this.#cursor) {
      const { x, y } = this.#picture.place(this.#cursor);
      cursor.style.transform = `translate(${x}px, ${y}px)`;
    }
    this.#read(this.#cursor ?? bestOf(this.#found.recommendation));
  }

  readonly #read = latest<Setting>(
    async (setting) => {
      const found = this.#found!;
      const score = await engine.scoreAt(this.#form.request, setting);
      byId('readout').textContent = describeSetting(found, setting, score);
    },
    () => {},
  );
}

const KEY_STEPS: Record<string, { x: number; y: number } | 'home'> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: 1 },
  ArrowDown: { x: 0, y: -1 },
  Home: 'home',
  Escape: 'home',
};

const bestOf = ({ recommendedBatchSize, recommendedConcurrency }: BatchSizeRecommendation): Setting => ({
  batchSize: recommendedBatchSize,
  concurrency: recommendedConcurrency,
});

/** A setting in a sentence: how good, how fast, and which limits it passes. */
function describeSetting({ recommendation, surface }: Found, setting: Setting, score: number): string {
  const { batchSize, concurrency } = setting;
  const rate = Math.min(vectorsPerSecond(recommendation.model.cost, setting), surface.ceilingVps);
  const { edges } = surface;
  const inFlight = batchSize * concurrency;
  const passed = [
    ...(batchSize > edges.rows ? ['rows per request'] : []),
    ...(batchSize > edges.requestBytes ? ['request size'] : []),
    ...(concurrency > edges.concurrency ? ['concurrency'] : []),
    ...(inFlight > edges.memory ? ['memory'] : []),
    ...(inFlight > edges.items ? ['the number of items'] : []),
  ];
  const isBest =
    batchSize === recommendation.recommendedBatchSize &&
    concurrency === recommendation.recommendedConcurrency;
  const verdict =
    passed.length > 0
      ? `passes the limit of ${passed.join(' and ')}`
      : isBest
        ? 'recommended'
        : `${Math.round(100 * shown(surface, score))} % as good as the best`;
  return [
    `${formatCount(batchSize)} per request × ${concurrency} in flight: ${verdict}`,
    `${formatCount(rate)} vectors/s`,
    `${formatMs((1000 * inFlight) / rate)} a request`,
    `${formatBytes(inFlight * surface.inFlightBytesPerVector)} in flight`,
  ].join(' · ');
}
