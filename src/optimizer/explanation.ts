import type { Objective, Setting } from '../core/types.js';
import { formatBytes, formatCount, formatTenths } from '../core/units.js';
import type { DatabaseProfile, RequestLimits } from '../model/profile.js';
import type { BindingConstraint } from './search.js';

/** The facts that the words of a recommendation are made of. */
export interface RecommendationFacts {
  readonly profile: DatabaseProfile;
  readonly dimension: number;
  readonly objective: Objective;
  readonly chosen: Setting & { vectorsPerSecond: number; memoryBytes: number };
  /** The rate after every bound, the path's included. */
  readonly rate: number;
  readonly usualGuess: Setting;
  readonly usualRate: number;
  readonly unlimited: Setting;
  readonly unlimitedRate: number;
  /** What is expected of the choice, and of the first of the alternatives. */
  readonly predicted: FrontFacts;
  readonly alternative: (FrontFacts & { readonly why: string }) | undefined;
  readonly binding: BindingConstraint;
  readonly gainIfRelaxed: number;
  readonly requestBytes: number;
  readonly processPeakMb: number;
  /** The bounds that held. */
  readonly limits: RequestLimits & {
    readonly maxMemoryBytes: number;
    readonly maxConcurrency: number;
    readonly itemCount: number;
  };
  /** Most vectors per second that the path carries. */
  readonly ceilingVps: number;
  /** Which part of the model spoke, and whether it was fitted to records. */
  readonly basis: string;
  readonly measured: boolean;
  /** The expected shares of what was measured of the very pair decided. */
  readonly isByShares: boolean;
}

type FrontFacts = Setting & { throughputVps: number; p95LatencyMs: number; memoryMb: number };

export const formatVectors = (count: number): string =>
  `${formatCount(count)} ${count === 1 ? 'vector' : 'vectors'}`;

export const formatSetting = ({ batchSize, concurrency }: Setting): string =>
  `${formatVectors(batchSize)} per request, ${concurrency} in flight`;

export const formatPercent = (ratio: number): string => `${Math.round(100 * ratio)} %`;

/** Why this setting: what it sends, what bound it, what lifting that would give, and what the usual guess would. */
export function explainRecommendation(facts: RecommendationFacts): string {
  const { chosen, rate } = facts;
  const gain = gainSentence(facts);
  return (
    `${formatSetting(chosen)}: about ${formatCount(rate)} vectors/s in requests of ${formatBytes(facts.requestBytes)}. ` +
    `${boundSentence(facts)} ${gain === '' ? '' : `${gain} `}${frontSentence(facts)} ` +
    `Vectors in flight take ${formatBytes(chosen.memoryBytes)}; the loading process should peak near ${formatCount(facts.processPeakMb)} MB. ` +
    `${guessSentence(facts)} Based on the ${facts.basis}.`
  );
}

const CHOICE: Record<Objective, string> = {
  performance: 'within 3 % of the fastest setting, it has the fewest vectors in flight',
  latency: 'it weighs the rate and the time of a request alike',
  memory: 'it weighs the rate and the vectors in flight alike',
  cost: 'it weighs the rate and the number of requests alike',
  balanced: 'it balances the rate against time, memory and the number of requests',
};

const BY_SHARES =
  'of the settings that the measurements expect to be nearest to the best, it has the fewest vectors in flight';

function boundSentence({
  binding,
  limits,
  ceilingVps,
  profile,
  dimension,
  objective,
  measured,
  isByShares,
}: RecommendationFacts): string {
  switch (binding) {
    case 'none':
      return `No limit bound it: ${isByShares ? BY_SHARES : CHOICE[objective]}.`;
    case 'memory':
      return `Memory bound it: vectors in flight may take ${formatBytes(limits.maxMemoryBytes)}, a twentieth of what is available.`;
    case 'request_bytes':
      return `The size of a request bound it: at most ${formatBytes(limits.maxRequestBytes!)} at ${dimension} dimensions ${whose(profile, 'maxRequestBytes', limits.maxRequestBytes!, measured)}.`;
    case 'rows':
      return `The number of rows bound it: at most ${formatCount(limits.maxRows!)} per request ${whose(profile, 'maxRows', limits.maxRows!, measured)}.`;
    case 'concurrency':
      return `Concurrency bound it: more than ${limits.maxConcurrency} in flight are of no use to ${profile.name} on this machine.`;
    case 'items':
      return `The load bound it: it has ${formatVectors(limits.itemCount)}.`;
    case 'latency':
      return 'The latency limit bound it.';
    case 'io':
      return `The path bound it: it carries at most ${formatCount(ceilingVps)} vectors/s of ${dimension} dimensions, and no smaller setting is sure to fill it.`;
  }
}

/** That the choice is on the Pareto front, and what the first alternative on it trades. */
function frontSentence({ predicted, alternative }: RecommendationFacts): string {
  const standing = 'No setting beats it in rate, p95 latency, memory and number of requests at once.';
  if (!alternative) return standing;
  const share = (value: (of: FrontFacts) => number) => formatPercent(value(alternative) / value(predicted));
  return `${standing} Another has ${alternative.why}: ${formatSetting(alternative)}, with ${share((of) => of.throughputVps)} of the rate, ${share((of) => of.p95LatencyMs)} of the p95 latency and ${share((of) => of.memoryMb)} of the memory.`;
}

/** Who says so: the database, its vendor, or this machine's records. */
function whose(
  profile: DatabaseProfile,
  limit: 'maxRows' | 'maxRequestBytes',
  value: number,
  measured: boolean,
): string {
  if (profile.limits[limit] === value) return inBrackets(profile.source.limits);
  if (profile.advice[limit] === value) return inBrackets(profile.source.advice);
  return measured ? 'by what the records show to work' : 'by what failed before';
}

const inBrackets = (sentence: string): string =>
  `(${sentence.endsWith('.') ? sentence.slice(0, -1) : sentence})`;

function gainSentence({
  binding,
  gainIfRelaxed,
  unlimited,
  unlimitedRate,
  rate,
  ceilingVps,
}: RecommendationFacts): string {
  if (binding === 'none' || binding === 'io' || binding === 'items') return '';
  if (gainIfRelaxed >= 1.005)
    return `Lifting that limit alone would give ${formatPercent(gainIfRelaxed - 1)} more.`;
  const free = Math.min(unlimitedRate, ceilingVps) / rate;
  if (free < 1.005) return 'Lifting it would gain nothing.';
  return `Lifting that limit alone would gain nothing, another one is as near; without any the model expects ${formatPercent(free - 1)} more at ${formatSetting(unlimited)}.`;
}

function guessSentence({ usualGuess, usualRate, rate, ceilingVps }: RecommendationFacts): string {
  const usual = Math.min(usualRate, ceilingVps);
  const ratio = rate / usual;
  const guess = `The usual guess, ${formatVectors(usualGuess.batchSize)} per request and one at a time, would give`;
  if (ratio >= 1.05)
    return `${guess} ${formatCount(usual)} vectors/s: this is ${formatTenths(ratio)} times that.`;
  if (ratio > 0.95) return `${guess} the same within 5 %: there is nothing to gain here.`;
  return `${guess} ${formatCount(usual)} vectors/s, more than this: it passes a limit or serves another objective.`;
}
