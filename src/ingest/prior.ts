import type { PriorBasis } from '../control/initial.js';
import type { CostModel } from '../model/cost.js';
import { type CostLaw, costAt } from '../model/law.js';
import { findProfile } from '../model/profiles.js';
import { SINK_LAWS } from '../model/sink-laws.js';

/** What is known of a database's cost before a load. */
export interface Prior {
  readonly model: CostModel | undefined;
  readonly basis: PriorBasis;
}

/** What our own sink was measured at, or else what the database's profile says. */
export function priorFor(database: string, dimension: number): Prior {
  const measured: CostLaw | undefined = SINK_LAWS[database];
  if (measured) return { model: costAt(measured, dimension), basis: 'measured' };
  const profile = findProfile(database);
  return {
    model: profile && costAt(profile.law, dimension),
    basis: profile?.basis === 'measured sweep' ? 'measured' : 'advised',
  };
}
