import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { ADVISED_PROFILES } from './advised-profiles.js';
import { MEASURED_PROFILES } from './measured-profiles.js';
import type { DatabaseProfile } from './profile.js';

/** What is known about each database. The name comes first, aliases cover what users, drivers and sweeps call it. */
export const PROFILES: readonly DatabaseProfile[] = [...MEASURED_PROFILES, ...ADVISED_PROFILES];

const BY_NAME: ReadonlyMap<string, DatabaseProfile> = new Map(
  PROFILES.flatMap((profile) => [profile.name, ...profile.aliases].map((name) => [name, profile] as const)),
);

/** The profile of a database by its name or an alias, if it has one; case does not matter. */
export const findProfile = (database: string): DatabaseProfile | undefined =>
  BY_NAME.get(database.toLowerCase());

/**
 * The same of one that must be known.
 * @throws VBO_ERR_ARGUMENT for an unknown one, listing the known ones.
 */
export function profileOf(database: unknown, name = 'databaseType'): DatabaseProfile {
  const profile = typeof database === 'string' ? findProfile(database) : undefined;
  if (profile) return profile;
  const known = PROFILES.map((p) => p.name);
  throw new VectorBatchError(
    'VBO_ERR_ARGUMENT',
    `${name} is ${describe(database)}; expected one of ${known.join(', ')}.`,
    { details: { argument: name, value: database, allowed: known } },
  );
}

/**
 * The profile that a database's name points to: by name or alias, or by a part of it (`postgres15-pgvector-hnsw` is
 * pgvector). Undefined for a database that nothing is known of.
 */
export function profileLike(database: string): DatabaseProfile | undefined {
  const name = database.toLowerCase();
  const exact = BY_NAME.get(name);
  if (exact) return exact;
  const parts = new Set(name.split(/[^a-z0-9]+/));
  return PROFILES.find((profile) => [profile.name, ...profile.aliases].some((alias) => parts.has(alias)));
}
