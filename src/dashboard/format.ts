/** Milliseconds in three digits: `6.47 ms`, `1.65 s`. */
export const formatMs = (ms: number): string =>
  ms < 1000 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms / 1000).toPrecision(3))} s`;

/** A rate on an axis: `0`, `500`, `12k`, `1.5M`. */
export function shortCount(count: number): string {
  if (count < 1000) return String(Number(count.toPrecision(3)));
  return count < 1e6
    ? `${Number((count / 1e3).toPrecision(3))}k`
    : `${Number((count / 1e6).toPrecision(3))}M`;
}

/** A moment, to the second, where the reader is. */
export const formatMoment = (unixMs: number): string =>
  new Date(unixMs).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
