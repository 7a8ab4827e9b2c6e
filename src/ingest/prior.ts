import type { PriorBasis } from '../control/initial.js';
import type { CostModel } from '../model/cost.js';
import { type CostLaw, costAt } from '../model/law.js';
import type { DatabaseProfile } from '../model/profile.js';
import { PROFILES } from '../model/profiles.js';
import { SINK_LAWS } from '../model/sink-laws.js';

/** What is known of a database's cost before a load. */
export interface Prior {
  readonly model: CostModel | undefined;
  readonly basis: PriorBasis;
}

/** The profile of a sink's database, if it has one. */
export const profileFor = (database: string): DatabaseProfile | undefined =>
  PROFILES.find(({ name, aliases }) => name === database || aliases.includes(database));

/** What our own sink was measured at, or else what the database's profile says. */
export function priorFor(database: string, dimension: number): Prior {
  const measured: CostLaw | undefined = SINK_LAWS[database];
  if (measured) return { model: costAt(measured, dimension), basis: 'measured' };
  const profile = profileFor(database);
  return {
    model: profile && costAt(profile.law, dimension),
    basis: profile?.basis === 'measured sweep' ? 'measured' : 'advised',
  };
}
