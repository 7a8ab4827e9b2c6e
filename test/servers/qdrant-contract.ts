import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';

/** The published OpenAPI file, beside the repository where it is kept; it is not part of it. */
export const OPENAPI_PATH = fileURLToPath(
  new URL('../../../shared/qdrant/openapi-1.19.json', import.meta.url),
);
export const hasOpenApi = existsSync(OPENAPI_PATH);

type Json = Record<string, unknown>;

interface Operation {
  requestBody?: { content: { 'application/json': { schema: Json } } };
  parameters?: { name: string; in: string; required?: boolean; schema: Json }[];
  responses: Record<string, { content?: { 'application/json': { schema: Json } } }>;
}

const ROOT = 'qdrant';

/** Holds every request and response of a server against the OpenAPI file. */
export class QdrantContract {
  readonly #ajv = new Ajv({ strict: false, allErrors: true });
  readonly #paths: Record<string, Record<string, Operation>>;
  readonly #validators = new Map<Json, ValidateFunction>();
  /** What did not agree, one line each. */
  readonly violations: string[] = [];
  /** Bodies that were looked at. */
  checked = 0;

  constructor(path = OPENAPI_PATH) {
    const document = readable(JSON.parse(readFileSync(path, 'utf8'))) as {
      paths: Record<string, Record<string, Operation>>;
      components: Json;
    };
    this.#paths = document.paths;
    this.#ajv.addFormat('uuid', /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i);
    for (const format of [
      'uint',
      'uint8',
      'uint16',
      'uint32',
      'uint64',
      'int64',
      'float',
      'double',
      'date-time',
    ]) {
      this.#ajv.addFormat(format, true);
    }
    this.#ajv.addSchema({ $id: ROOT, components: document.components });
  }

  request(method: string, path: string, query: URLSearchParams, body: unknown): void {
    const operation = this.#operation(method, path);
    if (!operation) return;
    for (const name of query.keys()) {
      const parameter = operation.parameters?.find((p) => p.in === 'query' && p.name === name);
      if (!parameter) this.violations.push(`${method} ${path}: unknown query parameter ${name}`);
      else if (parameter.schema.type === 'boolean' && !/^(true|false)$/.test(query.get(name)!)) {
        this.violations.push(`${method} ${path}: ${name} is not a boolean`);
      }
    }
    const schema = operation.requestBody?.content['application/json'].schema;
    if (schema) this.#check(`${method} ${path} request`, schema, body);
    else if (body !== undefined) this.violations.push(`${method} ${path}: a body is not expected`);
  }

  response(method: string, path: string, status: number, body: unknown): void {
    const operation = this.#operation(method, path);
    if (!operation) return;
    const key = status < 300 ? String(status) : status < 500 ? '4XX' : 'default';
    const schema = operation.responses[key]?.content?.['application/json'].schema;
    if (schema) this.#check(`${method} ${path} ${status} response`, schema, body);
    else this.violations.push(`${method} ${path}: status ${status} is not described`);
  }

  #operation(method: string, path: string): Operation | undefined {
    const template = path.replace(/^\/collections\/[^/]+/, '/collections/{collection_name}');
    const operation = this.#paths[template]?.[method.toLowerCase()];
    if (!operation) this.violations.push(`${method} ${path}: no such operation`);
    return operation;
  }

  #check(what: string, schema: Json, body: unknown): void {
    const validate = this.#validators.get(schema) ?? this.#ajv.compile(schema);
    this.#validators.set(schema, validate);
    this.checked++;
    if (validate(body)) return;
    this.violations.push(`${what}: ${this.#ajv.errorsText(validate.errors?.slice(0, 5))}`);
  }
}

/** The OpenAPI 3.0 dialect as JSON Schema: references made absolute, a bare `nullable` becomes the type null. */
function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0] === 'nullable') return { type: 'null' };
  return Object.fromEntries(
    entries.map(([key, inner]) =>
      key === '$ref' && typeof inner === 'string'
        ? [key, inner.replace(/^#/, `${ROOT}#`)]
        : [key, readable(inner)],
    ),
  );
}
