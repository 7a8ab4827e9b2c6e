import { VectorBatchError } from '../core/errors.js';
import type { Database } from './database.js';

/** `VBOH`: an SQLite file whose header says otherwise belongs to another program. */
const APPLICATION_ID = 0x56424f48;

/** Each brings the file to the next version. One that has been released is never changed. */
const MIGRATIONS = [
  `CREATE TABLE records (
     id INTEGER PRIMARY KEY,
     ts INTEGER NOT NULL,
     database_type TEXT NOT NULL COLLATE NOCASE,
     deployment TEXT,
     vector_dimension INTEGER NOT NULL,
     batch_size INTEGER NOT NULL,
     concurrency INTEGER NOT NULL,
     item_count INTEGER,
     bytes_per_vector REAL,
     execution_time_ms REAL,
     throughput_vps REAL,
     batch_p50_ms REAL,
     batch_p95_ms REAL,
     peak_rss_mb REAL,
     success INTEGER NOT NULL,
     error TEXT,
     further TEXT,
     fingerprint INTEGER UNIQUE
   ) STRICT;
   CREATE INDEX records_by_pair ON records (database_type, vector_dimension, ts);
   CREATE INDEX records_by_time ON records (ts)`,
];

/**
 * Brings the file to the newest version; two processes may do so at once.
 * @throws as {@link isCurrent}; the driver's errors
 */
export async function migrate(database: Database, path: string): Promise<void> {
  await database.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have been faster.
    const version = await versionOf(database, path);
    for (const sql of MIGRATIONS.slice(version)) await database.exec(sql);
    await database.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`,
    );
    await database.exec('COMMIT');
  } catch (error) {
    await database.exec('ROLLBACK').catch(() => {});
    throw error;
  }
}

/**
 * Whether the file is of the newest version. Changes nothing.
 * @throws VBO_ERR_HISTORY if it is another program's, or a newer version's
 */
export async function isCurrent(database: Database, path: string): Promise<boolean> {
  return (await versionOf(database, path)) === MIGRATIONS.length;
}

async function versionOf(database: Database, path: string): Promise<number> {
  const [header] = await database.all(
    `SELECT a.application_id AS application, u.user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables
     FROM pragma_application_id AS a, pragma_user_version AS u`,
  );
  const { application, version, tables } = header as { application: number; version: number; tables: number };
  if (application !== APPLICATION_ID && tables > 0) {
    throw new VectorBatchError('VBO_ERR_HISTORY', `${path} is an SQLite database, but not a history.`, {
      details: { path, application },
    });
  }
  if (version > MIGRATIONS.length) {
    throw new VectorBatchError(
      'VBO_ERR_HISTORY',
      `${path} is a history of version ${version}; this package knows up to ${MIGRATIONS.length}. Update it, or name another file.`,
      { details: { path, version, known: MIGRATIONS.length } },
    );
  }
  return application === APPLICATION_ID ? version : 0;
}
