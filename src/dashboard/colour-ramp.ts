import * as Plot from '@observablehq/plot';
import { colours } from './theme-button.js';

/** Draws the heat map's colours from nothing to the best. */
export function drawColourRamp(canvas: HTMLCanvasElement): void {
  const scale = Plot.scale({
    color: { type: 'linear', domain: [0, canvas.width - 1], scheme: 'YlGnBu', reverse: colours().isDark },
  });
  const context = canvas.getContext('2d')!;
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = scale.apply(x) as string;
    context.fillRect(x, 0, 1, 1);
  }
}
