/** A record as a Chroma server gives it back. */
export interface ChromaRecord {
  readonly id: string;
  readonly embedding: readonly number[];
  readonly metadata: Record<string, unknown> | null;
}

const PAGE = 1000;

/** The ids of all records of a collection, through a connection of its own. */
export async function getIds(address: string, collection: string): Promise<string[]> {
  return (await get(address, collection, [])).map(({ id }) => id);
}

/** All records of a collection, through a connection of its own. */
export function getAll(address: string, collection: string): Promise<ChromaRecord[]> {
  return get(address, collection, ['embeddings', 'metadatas']);
}

async function get(address: string, collection: string, include: string[]): Promise<ChromaRecord[]> {
  const path = `http://${address}/api/v2/tenants/default_tenant/databases/default_database/collections`;
  const { id } = (await (await fetch(`${path}/${collection}`)).json()) as { id: string };
  const records: ChromaRecord[] = [];
  for (;;) {
    const answer = await fetch(`${path}/${id}/get`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ limit: PAGE, offset: records.length, include }),
    });
    const page = (await answer.json()) as {
      ids: string[];
      embeddings: number[][] | null;
      metadatas: ChromaRecord['metadata'][] | null;
    };
    records.push(
      ...page.ids.map((id, i) => ({
        id,
        embedding: page.embeddings?.[i] ?? [],
        metadata: page.metadatas?.[i] ?? null,
      })),
    );
    if (page.ids.length < PAGE) return records;
  }
}
