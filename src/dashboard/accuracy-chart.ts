import * as Plot from '@observablehq/plot';
import type { Measured } from './accuracy.js';
import { shortCount } from './format.js';
import { colours } from './theme-button.js';

/** Lines at the measured rate and a quarter above and below it. */
const BAND = [1, 1.25, 0.75];

/** Each record's predicted rate over its measured one, both on logarithmic scales. */
export function drawAccuracy(measured: readonly Measured[], width: number): SVGSVGElement {
  const palette = colours();
  const rates = measured.flatMap(({ rate, taught, prior }) => [rate, taught, prior]);
  const low = 10 ** (Math.log10(Math.min(...rates, 1e9)) - 0.1);
  const high = 10 ** (Math.log10(Math.max(...rates, 1)) + 0.1);
  const axis = {
    type: 'log',
    domain: [low, high],
    tickFormat: shortCount,
    ticks: 5,
    labelArrow: 'none',
    tickSize: 4,
  } as const;
  const svg = Plot.plot({
    className: 'plot',
    width,
    height: Math.min(420, Math.max(260, width * 0.5)),
    marginLeft: 52,
    marginRight: 12,
    marginTop: 24,
    marginBottom: 40,
    x: { ...axis, label: 'measured, vectors per second', labelAnchor: 'center' },
    y: { ...axis, label: 'predicted, vectors per second' },
    marks: [
      BAND.map((factor, i) =>
        Plot.line(
          [
            [low, low * factor],
            [high, high * factor],
          ],
          {
            stroke: palette.muted,
            strokeWidth: i === 0 ? 1.4 : 0.8,
            strokeDasharray: i === 0 ? 'none' : '4 3',
            clip: true,
          },
        ),
      ),
      Plot.dot(measured, {
        x: 'rate',
        y: 'prior',
        r: 3.2,
        stroke: palette.muted,
        strokeOpacity: 0.75,
        fill: 'none',
        clip: true,
      }),
      Plot.dot(measured, {
        x: 'rate',
        y: 'taught',
        r: 3.4,
        fill: palette.series,
        fillOpacity: 0.8,
        stroke: palette.surface,
        strokeWidth: 0.7,
        clip: true,
      }),
    ],
  }) as SVGSVGElement;
  svg.setAttribute('aria-hidden', 'true');
  return svg;
}
