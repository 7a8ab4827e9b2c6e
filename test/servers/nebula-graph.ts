/** What a NebulaGraph space does with the statements the sink and its tests use. */
export type Property = string | number | null;

export interface Vertex {
  vid: string | number;
  properties: Record<string, Property>;
}

interface Tag {
  fields: { name: string; type: string; isNullable: boolean; comment: string | null }[];
  vertices: Map<string | number, Vertex>;
  /** Statements that must still be answered as if the tag were not known yet. */
  unknownFor: number;
}

export interface SpaceOptions {
  vidType: string;
  /** How often a new tag is not known yet. */
  tagDelay?: number;
}

/** An answer other than success. */
export class GraphError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export const SYNTAX_ERROR = -1004;
const SEMANTIC_ERROR = -1009;
const STORAGE_ERROR = -1005;

export class GraphSpace {
  readonly tags = new Map<string, Tag>();
  readonly #options: SpaceOptions;
  #jobs = 0;
  /** Counts of the last statistics job. */
  #stats = new Map<string, number>();

  constructor(options: SpaceOptions) {
    this.#options = options;
  }

  /** Rows of the answer. @throws GraphError */
  execute(statement: string): Property[][] {
    const found = (pattern: RegExp) => pattern.exec(statement);
    let match = found(/^CREATE TAG IF NOT EXISTS `(\w+)`\((.*)\)$/su);
    if (match) return this.#createTag(match[1]!, match[2]!);
    match = found(/^DESCRIBE TAG `(\w+)`$/u);
    if (match) {
      return this.#tag(match[1]!, true).fields.map(({ name, type, isNullable, comment }) => [
        name,
        type,
        isNullable ? 'YES' : 'NO',
        null,
        comment,
      ]);
    }
    match = found(/^DROP TAG `(\w+)`$/u);
    if (match) {
      this.tags.delete(match[1]!);
      return [];
    }
    if (found(/^DESCRIBE SPACE /)) return [[1, 's', 1, 1, 'utf8', 'utf8_bin', this.#options.vidType, null]];
    match = found(/^FETCH PROP ON `(\w+)` /u);
    if (match) {
      this.#tag(match[1]!);
      return [];
    }
    match = found(/^MATCH \(v:`(\w+)`\) RETURN id\(v\), v\.`\w+`\.`(\w+)`, v\.`\w+`\.`(\w+)` LIMIT (\d+)$/u);
    if (match) {
      const [, tag, first, second, limit] = match as unknown as [string, string, string, string, string];
      return [...this.#tag(tag).vertices.values()]
        .slice(0, Number(limit))
        .map(({ vid, properties }) => [vid, properties[first] ?? null, properties[second] ?? null]);
    }
    if (statement === 'SUBMIT JOB STATS') {
      this.#stats = new Map([...this.tags].map(([name, { vertices }]) => [name, vertices.size]));
      return [[++this.#jobs]];
    }
    match = found(/^SHOW JOB (\d+)$/);
    if (match) return [[Number(match[1]), 'STATS', 'FINISHED', null, null, 'SUCCEEDED']];
    if (statement === 'SHOW STATS') return [...this.#stats].map(([name, count]) => ['Tag', name, count]);
    if (statement.startsWith('INSERT VERTEX ')) return this.#insert(new Scanner(statement));
    throw new GraphError(SYNTAX_ERROR, `SyntaxError: syntax error near \`${statement.slice(0, 20)}'`);
  }

  #createTag(name: string, body: string): Property[][] {
    if (this.tags.has(name)) return [];
    const fields = body.split(/,\s*(?=`)/).map((field) => {
      const [, property, type, notNull, comment] =
        /^`(\w+)` (\w+)( NOT NULL)?(?: COMMENT "([^"]*)")?$/.exec(field) ?? [];
      if (!property) throw new GraphError(SYNTAX_ERROR, `SyntaxError: syntax error near \`${field}'`);
      return { name: property, type: type!, isNullable: !notNull, comment: comment ?? null };
    });
    this.tags.set(name, { fields, vertices: new Map(), unknownFor: this.#options.tagDelay ?? 0 });
    return [];
  }

  #tag(name: string, fromMeta = false): Tag {
    const tag = this.tags.get(name);
    if (!tag || (!fromMeta && tag.unknownFor-- > 0)) {
      throw new GraphError(SEMANTIC_ERROR, `SemanticError: No schema found for \`${name}'`);
    }
    return tag;
  }

  /** All or nothing: nothing is stored before the whole statement is read. */
  #insert(scanner: Scanner): Property[][] {
    scanner.take('INSERT VERTEX ');
    const tag = this.#tag(scanner.name());
    scanner.take('(');
    const names: string[] = [];
    do names.push(scanner.name());
    while (scanner.skips(','));
    scanner.take(') VALUES ');
    const vertices: Vertex[] = [];
    do {
      const vid = this.#checkVid(scanner.value());
      scanner.take(':(');
      const properties: Record<string, Property> = {};
      for (const [i, name] of names.entries()) {
        if (i > 0) scanner.take(',');
        const field = tag.fields.find((field) => field.name === name);
        if (!field) {
          throw new GraphError(SEMANTIC_ERROR, `SemanticError: Unknown column \`${name}' in schema`);
        }
        const value = scanner.value();
        if (typeof value === 'number')
          throw new GraphError(STORAGE_ERROR, 'Storage Error: wrong type of value');
        if (value === null && !field.isNullable) {
          throw new GraphError(STORAGE_ERROR, 'Storage Error: The not null field cannot be null.');
        }
        properties[name] = value;
      }
      scanner.take(')');
      vertices.push({ vid, properties });
    } while (scanner.skips(','));
    scanner.end();
    for (const vertex of vertices) tag.vertices.set(vertex.vid, vertex);
    return [];
  }

  #checkVid(vid: Property): string | number {
    const { vidType } = this.#options;
    const byteLength = Number(/\((\d+)\)/.exec(vidType)?.[1]);
    const fits =
      vidType === 'INT64'
        ? typeof vid === 'number'
        : typeof vid === 'string' && Buffer.byteLength(vid) <= byteLength;
    if (vid !== null && fits) return vid;
    throw new GraphError(
      STORAGE_ERROR,
      'Storage Error: The VID must be a 64-bit integer or a string fitting space vertex id length limit.',
    );
  }
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' };

/** Reads the literals of an INSERT statement. */
class Scanner {
  #at = 0;

  constructor(readonly text: string) {}

  skips(expected: string): boolean {
    if (!this.text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  take(expected: string): void {
    if (!this.skips(expected)) this.#fail();
  }

  end(): void {
    if (this.#at < this.text.length) this.#fail();
  }

  name(): string {
    return this.#match(/`([^`]+)`/y)[1]!;
  }

  value(): Property {
    if (this.skips('NULL')) return null;
    if (this.text[this.#at] !== '"') return Number(this.#match(/-?\d+/y)[0]);
    const literal = this.#match(/"((?:[^"\\\n]|\\[\s\S])*)"/y)[1]!;
    // The longest match wins, as in graphd's scanner: four digits are not an octal escape and a digit.
    return literal.replace(/\\(\d+|[\s\S])/g, (_, code: string) => {
      if (/^\d/.test(code)) {
        return /^[0-7]{1,3}$/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : this.#fail();
      }
      return ESCAPED[code] ?? code;
    });
  }

  #match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.text) ?? this.#fail();
    this.#at += match[0].length;
    return match;
  }

  #fail(): never {
    throw new GraphError(
      SYNTAX_ERROR,
      `SyntaxError: syntax error near \`${this.text.slice(this.#at, this.#at + 20)}'`,
    );
  }
}
