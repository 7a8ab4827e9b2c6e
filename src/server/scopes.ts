/** What a credential may do. `admin` may do everything, and see everybody's runs. */
export const SCOPES = ['recommend', 'learn', 'run', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who calls. */
export interface Principal {
  /** For the audit log and the rate limit: `key:` and the first digits of its digest, or `token:` and its subject. */
  readonly id: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** The caller on loopback, where no credentials are configured. */
export const LOCAL: Principal = { id: 'local', scopes: new Set(SCOPES) };

export const may = ({ scopes }: Principal, scope: Scope): boolean => scopes.has('admin') || scopes.has(scope);

export const isScope = (text: string): text is Scope => (SCOPES as readonly string[]).includes(text);
