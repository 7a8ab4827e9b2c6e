import type { Id } from '../../src/ingest/ports.js';

import type { StoredRecord, Subject } from './conformance.js';

/** Runs a statement and gives back its rows. */
export type Query = (sql: string) => Promise<Record<string, unknown>[]>;

/** The rows of a table by id. Vectors come as the text that pgvector makes of them, which reads back to the same bits. */
export async function storedRows(query: Query, table: string): Promise<Map<Id, StoredRecord>> {
  const rows = await query(`SELECT id::text AS id, vector::text AS vector, payload FROM "${table}"`);
  const [{ type } = { type: '' }] = await query(
    `SELECT format_type(atttypid, -1) AS type FROM pg_attribute WHERE attrelid = '"${table}"'::regclass AND attname = 'id'`,
  );
  return new Map(
    rows.map(({ id, vector, payload }) => [
      type === 'bigint' ? Number(id) : String(id),
      {
        vector: new Uint32Array(Float32Array.from(JSON.parse(String(vector)) as number[]).buffer),
        payload: payload as StoredRecord['payload'],
      },
    ]),
  );
}

/** What is pgvector's own: `jsonb` holds no NUL. */
export const POISON: NonNullable<Subject['poison']> = {
  payload: { text: 'a\0b' },
  message: /unsupported Unicode escape sequence/,
};
