import * as Plot from '@observablehq/plot';
import type { Setting } from '../core/types.js';
import { formatBytes, formatCount } from '../core/units.js';
import type { BatchSizeRecommendation } from '../optimizer/batch-size-calculator.js';
import type { CostSurface, SurfaceAxes, SurfaceEdges } from '../optimizer/surface.js';
import { colours } from './theme-button.js';

/** The map's corners, as powers of two: from 1 x 1 to a little past 65,536 vectors a request x 128 in flight. */
const FROM = { x: 0, y: 0 };
const TO = { x: 16.3, y: 7.3 };
/** Room for the best setting's mark where it lies at the border. */
const MARGIN = 0.35;
const PER_OCTAVE = 4;
const COLUMNS = Math.round((TO.x - FROM.x) * PER_OCTAVE);
const ROWS = Math.round((TO.y - FROM.y) * PER_OCTAVE * 1.5);
/** Lines of equal goodness, drawn thin. */
const ISOLINES = [0.25, 0.5, 0.75, 0.9];
/** Below this a picture has ticks at every second doubling only. */
const NARROW = 520;

const centres = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => 2 ** (from + ((i + 0.5) * (to - from)) / count));

/** Where the surface is evaluated: the centres of the picture's cells. */
export const MAP_AXES: SurfaceAxes = {
  batchSizes: centres(FROM.x, TO.x, COLUMNS),
  concurrencies: centres(FROM.y, TO.y, ROWS),
};

export interface HeatMap {
  readonly svg: SVGSVGElement;
  /** Pixels of a setting within the picture. */
  place(setting: Setting): { x: number; y: number };
  /** The whole setting nearest to a pixel. */
  settingAt(x: number, y: number): Setting;
}

/** One limit as a line on the map. */
interface Edge {
  readonly bound: string;
  readonly label: string;
  /** Does the line border what is allowed, or do others come first? */
  readonly isActive: boolean;
  readonly points: readonly [{ x: number; y: number }, { x: number; y: number }];
}

export const nearest = ({ batchSize, concurrency }: Setting): Setting => ({
  batchSize: Math.min(65_536, Math.max(1, Math.round(batchSize))),
  concurrency: Math.min(128, Math.max(1, Math.round(concurrency))),
});

/** How good a score is as the page shows it: 0 to 1, where all that fills the path is equally good. */
export const shown = ({ ceilingScore }: Pick<CostSurface, 'ceilingScore'>, score: number): number =>
  Math.min(1, score / Math.min(1, ceilingScore));

/** Draws every setting's score, the plateau, the limits and the recommended setting. */
export function drawHeatMap(
  { surface, recommendation }: { surface: CostSurface; recommendation: BatchSizeRecommendation },
  width: number,
): HeatMap {
  const palette = colours();
  const height = Math.round(Math.min(460, Math.max(250, width * 0.56)));
  const isNarrow = width < NARROW;
  const score = transposed(surface.score);
  const raster = {
    width: COLUMNS,
    height: ROWS,
    x1: FROM.x,
    y1: FROM.y,
    x2: TO.x,
    y2: TO.y,
    clip: true,
  } as const;
  const contour = { ...raster, interpolate: 'none', smooth: true } as const;
  const best = {
    x: Math.log2(recommendation.recommendedBatchSize),
    y: Math.log2(recommendation.recommendedConcurrency),
  };
  const edges = edgesOf(surface, isNarrow).filter(({ isActive }) => isActive || !isNarrow);
  const halo = { stroke: palette.surface, strokeWidth: 4, fill: palette.ink, fontSize: 11.5 } as const;
  const plateau = { thresholds: [surface.plateauScore] };
  const every = isNarrow ? 4 : 2;
  const svg = Plot.plot({
    className: 'plot',
    width,
    height,
    marginLeft: 44,
    marginRight: 8,
    marginTop: 20,
    marginBottom: 40,
    x: {
      domain: [FROM.x - MARGIN, TO.x],
      ticks: powers(16, every),
      tickFormat: (power: number) => String(2 ** power),
      label: 'vectors per request',
      labelAnchor: 'center',
      labelArrow: 'none',
      tickSize: 4,
    },
    y: {
      domain: [FROM.y - MARGIN, TO.y],
      ticks: powers(7, 1),
      tickFormat: (power: number) => String(2 ** power),
      label: 'requests in flight',
      labelArrow: 'none',
      tickSize: 4,
    },
    color: { type: 'linear', domain: [0, 1], scheme: 'YlGnBu', reverse: palette.isDark },
    marks: [
      Plot.raster(
        score.map((value) => shown(surface, value)),
        { ...raster, fill: Plot.identity },
      ),
      Plot.contour(
        score.map((value) => shown(surface, value)),
        { ...contour, thresholds: ISOLINES, stroke: palette.ink, strokeOpacity: 0.4, strokeWidth: 0.8 },
      ),
      Plot.areaY(forbidden(surface.edges), {
        x: 'x',
        y1: 'y',
        y2: TO.y,
        fill: palette.surface,
        fillOpacity: 0.55,
        clip: true,
      }),
      Plot.areaY(forbidden(surface.edges), { x: 'x', y1: 'y', y2: TO.y, fill: 'url(#hatch)', clip: true }),
      // A dashed line that is seen on dark and on light.
      Plot.contour(score, { ...contour, ...plateau, stroke: palette.surface, strokeWidth: 3.5 }),
      Plot.contour(score, {
        ...contour,
        ...plateau,
        stroke: palette.ink,
        strokeWidth: 1.8,
        strokeDasharray: '5 4',
      }),
      surface.ceilingScore < 1
        ? Plot.contour(score, {
            ...contour,
            thresholds: [surface.ceilingScore],
            stroke: palette.accent,
            strokeWidth: 2.5,
          })
        : null,
      edges.map(({ points, bound, isActive }) =>
        Plot.line(points, {
          x: 'x',
          y: 'y',
          stroke: bound === recommendation.bindingConstraint ? palette.accent : palette.ink,
          strokeWidth: bound === recommendation.bindingConstraint ? 2.5 : 1.2,
          strokeOpacity: isActive ? 1 : 0.35,
          clip: true,
        }),
      ),
      edges.map((edge) =>
        Plot.text([edge], { ...labelPlace(edge, edges, isNarrow), ...halo, text: 'label' }),
      ),
      Plot.dot([best], { x: 'x', y: 'y', r: 8, fill: palette.accent, stroke: '#fff', strokeWidth: 2.5 }),
      Plot.text([best], {
        x: 'x',
        y: 'y',
        text: () => `${recommendation.recommendedBatchSize} × ${recommendation.recommendedConcurrency}`,
        ...halo,
        fontSize: 13,
        fontWeight: 650,
        dy: best.y > 6 ? 20 : -18,
        textAnchor: best.x < 1.5 ? 'start' : best.x > 14.5 ? 'end' : 'middle',
      }),
    ],
  }) as SVGSVGElement & Plot.Plot;
  svg.prepend(hatch(palette.ink));
  svg.setAttribute('aria-hidden', 'true');
  const x = svg.scale('x')!;
  const y = svg.scale('y')!;
  return {
    svg,
    place: ({ batchSize, concurrency }) => ({
      x: x.apply(Math.log2(batchSize)) as number,
      y: y.apply(Math.log2(concurrency)) as number,
    }),
    settingAt: (left, top) =>
      nearest({ batchSize: 2 ** (x.invert!(left) as number), concurrency: 2 ** (y.invert!(top) as number) }),
  };
}

/** The limits that lie on the map. */
function edgesOf({ edges, limits, inFlightBytesPerVector }: CostSurface, isNarrow: boolean): Edge[] {
  const long = (text: string) => (isNarrow ? '' : text);
  const right = Math.min(edges.rows, edges.requestBytes, edges.fastest.batchSize);
  const top = Math.min(edges.concurrency, edges.fastest.concurrency);
  const product = Math.min(edges.memory, edges.items);
  const upright = (at: number, bound: string, label: string): Edge => {
    const x = Math.log2(at);
    const points = [
      { x, y: FROM.y },
      { x, y: TO.y },
    ] as const;
    return { bound, label, points, isActive: at === right && at <= product };
  };
  const level = (at: number, bound: string, label: string): Edge => {
    const y = Math.log2(at);
    const points = [
      { x: FROM.x, y },
      { x: TO.x, y },
    ] as const;
    return { bound, label, points, isActive: at === top && at <= product };
  };
  const falling = (at: number, bound: string, label: string): Edge => {
    const sum = Math.log2(at);
    const points = [
      { x: sum - TO.y, y: TO.y },
      { x: sum - FROM.y, y: FROM.y },
    ] as const;
    return { bound, label, points, isActive: at === product && at < right * top };
  };
  return [
    upright(edges.rows, 'rows', `${formatCount(edges.rows)} rows`),
    upright(edges.requestBytes, 'request_bytes', `${formatBytes(limits.maxRequestBytes ?? 0)} a request`),
    upright(edges.fastest.batchSize, 'fastest', 'past the fastest'),
    level(edges.concurrency, 'concurrency', `${edges.concurrency}${long(' in flight are')} of use`),
    level(edges.fastest.concurrency, 'fastest', 'past the fastest'),
    falling(
      edges.memory,
      'memory',
      `${long('memory: ')}${formatBytes(edges.memory * inFlightBytesPerVector)}${long(' in flight')}`,
    ),
    falling(edges.items, 'items', `${formatCount(edges.items)} vectors${long(' in all')}`),
  ].filter(({ points: [a, b] }) => isOnMap(a, b));
}

/** Does a falling, level or upright line through both points cross the map? */
function isOnMap(a: { x: number; y: number }, b: { x: number; y: number }): boolean {
  if (![a.x, a.y, b.x, b.y].every(Number.isFinite)) return false;
  if (a.x === b.x) return a.x > FROM.x && a.x < TO.x;
  if (a.y === b.y) return a.y > FROM.y && a.y < TO.y;
  return b.x > FROM.x && a.x < TO.x;
}

const isUpright = ({ points: [a, b] }: Edge): boolean => a.x === b.x;

/** Labels stand beside their line where it meets the map's border: above, on the left or below. */
function labelPlace(edge: Edge, edges: readonly Edge[], isNarrow: boolean): Plot.TextOptions {
  const [a, b] = edge.points;
  // Where there is little room the best setting's own label is not far above.
  if (a.y === b.y) return { x: FROM.x, y: a.y, dx: 6, dy: isNarrow ? 9 : -8, textAnchor: 'start' };
  const isLeft = (x: number) => x < TO.x * 0.7;
  if (isUpright(edge)) {
    // Each in a row of its own: two such lines may be nearer than a label is long.
    const row = edges.filter(isUpright).indexOf(edge);
    const side = isLeft(a.x) ? 'start' : 'end';
    return { x: a.x, y: TO.y, dy: 12 + 17 * row, dx: isLeft(a.x) ? 7 : -7, textAnchor: side };
  }
  // A falling line: where it leaves the map, below or on the right.
  if (isLeft(isNarrow ? 1.2 * b.x : b.x)) return { x: b.x, y: FROM.y, dx: 7, dy: -10, textAnchor: 'start' };
  if (b.x <= TO.x) return { x: b.x, y: FROM.y, dx: -14, dy: -10, textAnchor: 'end' };
  return { x: TO.x, y: b.x + b.y - TO.x, dx: -7, dy: -24, textAnchor: 'end' };
}

/** The lower border of what no setting may enter, from left to right. */
function forbidden(edges: SurfaceEdges): { x: number; y: number }[] {
  const right = Math.log2(Math.min(edges.rows, edges.requestBytes, edges.fastest.batchSize));
  const top = Math.log2(Math.min(edges.concurrency, edges.fastest.concurrency));
  const sum = Math.log2(Math.min(edges.memory, edges.items));
  const y = (x: number) => Math.max(FROM.y, Math.min(TO.y, top, sum - x));
  const border = [FROM.x, sum - top, sum - TO.y, sum - FROM.y, right, TO.x]
    .filter((x) => x >= FROM.x && x <= TO.x)
    .sort((a, b) => a - b);
  return border.flatMap((x) => {
    if (x < right) return [{ x, y: y(x) }];
    return x === right
      ? [
          { x, y: y(x) },
          { x, y: FROM.y },
        ]
      : [{ x, y: FROM.y }];
  });
}

function hatch(colour: string): SVGElement {
  const make = (name: string, attributes: Record<string, string>) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const definitions = make('defs', {});
  const pattern = make('pattern', {
    id: 'hatch',
    width: '7',
    height: '7',
    patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)',
  });
  pattern.append(
    make('line', {
      x1: '0',
      y1: '0',
      x2: '0',
      y2: '7',
      stroke: colour,
      'stroke-width': '1.2',
      'stroke-opacity': '0.25',
    }),
  );
  definitions.append(pattern);
  return definitions;
}

const powers = (to: number, every: number): number[] =>
  Array.from({ length: Math.floor(to / every) + 1 }, (_, i) => i * every);

/** Batch sizes run along a picture's rows, not its columns. */
function transposed(score: Float64Array): Float64Array {
  const turned = new Float64Array(score.length);
  for (let column = 0; column < COLUMNS; column++) {
    for (let row = 0; row < ROWS; row++) turned[row * COLUMNS + column] = score[column * ROWS + row]!;
  }
  return turned;
}
