import { median } from '../core/statistics.js';
import type { Setting } from '../core/types.js';

/** What a setting achieved in the same rounds as its rivals, vectors/s. */
export interface Contestant extends Setting {
  readonly rates: readonly number[];
}

/** A setting that reaches this share of the best one's rate, in the median round, is as good. */
const TOLERANCE = 0.97;
/** And one that wins more often than this is too, whatever its median: the difference is noise. */
const MOST_LOST = 0.8;
/** Less than this over the baseline is nothing to change a system for. */
const WORTHWHILE = 1.05;

export interface Verdict {
  readonly best: Setting;
  /** Those that cannot be told from the fastest; `best` is the smallest of them. */
  readonly asGood: readonly Setting[];
  /** Median paired ratio of `best` to the baseline. */
  readonly gain: number;
  readonly isNothingToGain: boolean;
}

/**
 * Who wins: the smallest batch x concurrency among those that cannot be told from the fastest. Rates are compared
 * round by round, because rounds differ by more than settings do.
 * @param contestants the baseline first; all with the same number of rates, at least one
 */
export function verdictOf(contestants: readonly Contestant[]): Verdict {
  const fastest = contestants.reduce((a, b) => (median(b.rates) > median(a.rates) ? b : a));
  const asGood = contestants
    .filter((one) => one === fastest || !isBeaten(one, fastest))
    .sort(
      (a, b) => a.batchSize * a.concurrency - b.batchSize * b.concurrency || a.concurrency - b.concurrency,
    );
  const baseline = contestants[0]!;
  // The baseline wins among equals even if something smaller is as good: nobody changes a system for nothing.
  const best = asGood.includes(baseline) ? baseline : asGood[0]!;
  const gain = median(ratios(best, baseline));
  const isNothingToGain = gain < WORTHWHILE;
  return {
    best: settingOf(isNothingToGain ? baseline : best),
    asGood: asGood.map(settingOf),
    ...{ gain, isNothingToGain },
  };
}

function isBeaten(one: Contestant, by: Contestant): boolean {
  const shares = ratios(one, by);
  const lost = shares.filter((share) => share < 1).length;
  return median(shares) < TOLERANCE && lost >= MOST_LOST * shares.length;
}

/** Round by round; rounds that `by` failed in say nothing. */
function ratios(one: Contestant, by: Contestant): number[] {
  const shares = one.rates.flatMap((rate, round) => (by.rates[round]! > 0 ? [rate / by.rates[round]!] : []));
  return shares.length > 0 ? shares : [Number.POSITIVE_INFINITY];
}

const settingOf = ({ batchSize, concurrency }: Setting): Setting => ({ batchSize, concurrency });
