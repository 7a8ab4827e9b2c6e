import { readdirSync, readFileSync } from 'node:fs';
import { FixedPolicy } from '../src/control/fixed.js';
import { ModelGuidedPolicy } from '../src/control/model-guided.js';
import { oracle } from '../src/control/oracle.js';
import { agentPolicy, createPolicy } from '../src/control/policies.js';
import type { Policy } from '../src/control/policy.js';
import { randomScenario } from '../src/control/random-scenario.js';
import { replay } from '../src/control/replay.js';
import { parseScenario, type Scenario } from '../src/control/scenario.js';
import { Watchdog } from '../src/control/watchdog.js';
import { Random } from '../src/core/random.js';
import { median, quantile } from '../src/core/statistics.js';
import type { Setting } from '../src/core/types.js';
import { RandomWalk } from '../test/control/support.js';
import { loadSweeps } from '../test/model/sweeps.js';
import { type BenchOptions, type Case, formatTable } from './harness.js';
import { LegacyPolicy } from './legacy.js';
import { Contest, type Entrant, type Score } from './tournament.js';

const SCENARIOS = new URL('../test/scenarios/', import.meta.url);
/** Random scenarios that policies were tuned on, by seed. The held-out ones have seeds that were not looked at before the policies were done. */
const TUNED_ON_SEED = 1;
const HELD_OUT_SEED = 7_000_000;
const TUNED_ON = 30;
const HELD_OUT = 80;
const SEEDS = [1, 2];
/** A replayed sweep lasts so long at its best cell's rate. */
const REPLAY_SECONDS = 30;
const BASELINE = 'fixed 64 x 1';
const MOST_ROWS = 65_536;

/** Where every policy begins: it is told nothing. */
const initial: Setting = { batchSize: 128, concurrency: 1 };

const ENTRANTS: readonly Entrant[] = [
  { name: BASELINE, create: () => new FixedPolicy({ batchSize: 64, concurrency: 1 }) },
  { name: 'legacy', create: ({ rows }) => new LegacyPolicy(rows), lockStep: true },
  { name: 'aimd', create: () => createPolicy('aimd', { initial }) },
  { name: 'gradient', create: () => createPolicy('gradient', { initial }) },
  { name: 'dqn, unwatched', create: () => agentPolicy({ initial }) },
  { name: 'dqn', create: () => createPolicy('dqn', { initial }) },
  { name: 'model-guided', create: () => createPolicy('model-guided', { initial }) },
  { name: 'watchdog, random walk', create: (_, seed) => watched(new RandomWalk(initial, seed)) },
  {
    name: 'watchdog, always most',
    create: () => watched(new FixedPolicy({ batchSize: MOST_ROWS, concurrency: 64 })),
  },
];

const watched = (policy: Policy): Policy => new Watchdog(policy, new ModelGuidedPolicy({ initial }));

/**
 * The tournament: simulated loads, every policy on the same ones, on a virtual clock. Four sets of loads: the scenario
 * files, the recorded sweeps replayed, random scenarios that the policies were tuned on, and random scenarios
 * of the same distribution that they were not.
 */
export default async function policies({ quick }: BenchOptions): Promise<Case[]> {
  const sets: [string, Scenario[], readonly number[]][] = [
    ['scenario files', scenarioFiles(), SEEDS],
    ['replayed sweeps', replays(), SEEDS],
    ['random, tuned on', randomScenarios(TUNED_ON_SEED, TUNED_ON), [1]],
    ['random, held out', randomScenarios(HELD_OUT_SEED, HELD_OUT), [1]],
  ];
  const cases: Case[] = [];
  for (const [set, scenarios, seeds] of sets) {
    const chosen = quick ? scenarios.slice(0, 2) : scenarios;
    const scores = play(chosen, quick ? [1] : seeds);
    const input = `${set}: ${chosen.length} x ${quick ? 1 : seeds.length} simulated loads`;
    console.log(`\n${input}\n${report(scores)}`);
    cases.push(...compare(scores, input));
  }
  return cases;
}

function play(scenarios: readonly Scenario[], seeds: readonly number[]): Map<string, Score[]> {
  const scores = new Map<string, Score[]>(ENTRANTS.map(({ name }) => [name, []]));
  for (const scenario of scenarios) {
    const best = oracle(scenario);
    for (const seed of seeds) {
      const contest = new Contest(scenario, seed, best);
      for (const entrant of ENTRANTS) scores.get(entrant.name)!.push(contest.score(entrant));
    }
  }
  return scores;
}

function report(scores: ReadonlyMap<string, readonly Score[]>): string {
  const known = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value));
  return formatTable([
    ['policy', 'share of oracle', 'p10', 'least', 'time to 90 %', 'never', 'slow p95', 'harm of a step'],
    ...[...scores].map(([name, own]) => {
      const shares = own.map(({ share }) => share);
      const times = known(own.map(({ timeTo90 }) => timeTo90));
      return [
        name,
        median(shares).toFixed(3),
        quantile(shares, 0.1).toFixed(3),
        Math.min(...shares).toFixed(3),
        percent(median(times)),
        percent(1 - times.length / own.length),
        percent(own.filter(({ isSlow }) => isSlow).length / own.length),
        percent(median(known(own.map((score) => score.harm)))),
      ];
    }),
  ]);
}

const percent = (share: number): string => (Number.isNaN(share) ? '-' : `${(100 * share).toFixed(0)} %`);

function compare(scores: ReadonlyMap<string, readonly Score[]>, input: string): Case[] {
  const baseline = scores.get(BASELINE)!.map(({ share }) => share);
  return [...scores].flatMap(([name, own]) => {
    if (name === BASELINE) return [];
    const shares = own.map(({ share }) => share);
    return [
      {
        ...{ name, input, unit: 'share of oracle', median: median(shares) },
        baseline: { name: BASELINE, median: median(baseline) },
        ratio: median(shares.map((share, k) => share / baseline[k]!)),
      },
    ];
  });
}

function scenarioFiles(): Scenario[] {
  return readdirSync(SCENARIOS)
    .filter((file) => file.endsWith('.json'))
    .map((file) => parseScenario(readFileSync(new URL(file, SCENARIOS), 'utf8'), file));
}

function replays(): Scenario[] {
  return [...loadSweeps()].map(([name, records]) => {
    const best = Math.max(...records.map(({ success, throughput_vps }) => (success && throughput_vps) || 0));
    return replay(records, name, Math.round(best * REPLAY_SECONDS));
  });
}

function randomScenarios(firstSeed: number, count: number): Scenario[] {
  return Array.from({ length: count }, (_, k) => randomScenario(new Random(firstSeed + k)));
}
