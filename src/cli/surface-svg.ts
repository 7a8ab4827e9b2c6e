import { formatCount } from '../core/units.js';
import type { TuneReport } from '../ingest/tune-report.js';
import { type SurfaceCell, short, surfaceOf } from './surface.js';

const CELL_WIDTH = 58;
const CELL_HEIGHT = 36;
const LEFT = 64;
const TOP = 56;
const BOTTOM = 72;
/** From slow to fast: even steps of lightness, readable in grey and by the colour-blind (after viridis). */
const COLOURS = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#fde725'] as const;

/** The throughput surface as an SVG document of its own: no script, no font, no reference to anything outside. */
export function surfaceSvg(report: TuneReport): string {
  const rows = surfaceOf(report);
  const { batchSizes } = report.grid;
  const peak = Math.max(...rows.flat().map((cell) => cell.vectorsPerSecond));
  const width = LEFT + batchSizes.length * CELL_WIDTH + 16;
  const height = TOP + rows.length * CELL_HEIGHT + BOTTOM;
  const bottom = TOP + rows.length * CELL_HEIGHT;
  const cells = rows.flatMap((row, y) => row.map((cell, x) => drawCell(cell, x, y, peak)));
  const rowLabels = rows.map((row, y) =>
    text(LEFT - 10, TOP + (y + 0.5) * CELL_HEIGHT + 4, String(row[0]!.concurrency), 'end'),
  );
  const columnLabels = batchSizes.map((size, x) =>
    text(LEFT + (x + 0.5) * CELL_WIDTH, bottom + 16, String(size), 'middle'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(LEFT, 22, `${report.sink}, dimension ${report.dimension}: vectors/s`, 'start', 'font-weight="bold"'),
    text(LEFT, 42, report.verdict, 'start', 'fill="#555"'),
    ...cells,
    ...rowLabels,
    ...columnLabels,
    text(LEFT + (batchSizes.length * CELL_WIDTH) / 2, bottom + 36, 'vectors per request', 'middle'),
    `<text transform="translate(16 ${(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">in flight</text>`,
    text(LEFT, bottom + 58, 'outlined: recommended; pale: predicted; x: refused', 'start', 'fill="#555"'),
    '</svg>',
    '',
  ].join('\n');
}

function drawCell(cell: SurfaceCell, x: number, y: number, peak: number): string {
  const share = peak > 0 ? cell.vectorsPerSecond / peak : 0;
  const step = Math.min(COLOURS.length - 1, Math.floor(share * COLOURS.length));
  const left = LEFT + x * CELL_WIDTH;
  const top = TOP + y * CELL_HEIGHT;
  const isRefused = cell.kind === 'refused';
  const box = `x="${left + 1}" y="${top + 1}" width="${CELL_WIDTH - 2}" height="${CELL_HEIGHT - 2}"`;
  const fill = isRefused ? '#eee' : COLOURS[step]!;
  const opacity = cell.kind === 'predicted' ? ' fill-opacity="0.45"' : '';
  const outline = cell.isBest ? ' stroke="#d00" stroke-width="3"' : '';
  const isDark = step < 3 && cell.kind === 'measured';
  const label = isRefused ? 'x' : short(cell.vectorsPerSecond);
  const title = isRefused ? 'refused' : `${formatCount(cell.vectorsPerSecond)} vectors/s, ${cell.kind}`;
  return `<g><title>${escaped(`${cell.batchSize} x ${cell.concurrency}: ${title}`)}</title><rect ${box} fill="${fill}"${opacity}${outline}/>${text(left + CELL_WIDTH / 2, top + CELL_HEIGHT / 2 + 4, label, 'middle', isDark ? 'fill="#fff"' : '')}</g>`;
}

const text = (x: number, y: number, content: string, anchor: string, extra = ''): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}"${extra && ` ${extra}`}>${escaped(content)}</text>`;

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
