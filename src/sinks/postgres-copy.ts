import type { Connection, Submittable } from 'pg';

/** What of the connection a COPY needs; not part of the driver's types. */
interface CopyConnection {
  query(text: string): void;
  sendCopyFromChunk(bytes: Buffer): void;
  endCopyFrom(): void;
}

/** A `COPY ... FROM STDIN` as the driver's client runs it: `client.query(new CopyIn(...))`. */
export class CopyIn implements Submittable {
  /** Settles when the server has stored the rows or said why not. */
  readonly done: Promise<void>;
  readonly #text: string;
  readonly #bytes: Buffer;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(text: string, bytes: Buffer) {
    this.#text = text;
    this.#bytes = bytes;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  submit(connection: Connection): void {
    (connection as unknown as CopyConnection).query(this.#text);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.#bytes);
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#resolve();
  }

  /** Of the server or of the connection; after one of the server comes `handleReadyForQuery` too. */
  handleError(error: Error): void {
    this.#reject(error);
  }
}
