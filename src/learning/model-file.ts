import { createHash } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { WallClock } from '../core/clock.js';
import { VectorBatchError } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { HistoryState } from '../history/history.js';
import { setAside } from '../history/set-aside.js';
import { checkState, type ModelState, STATE_VERSION } from '../model/model-state.js';

/** A model, and what of the history it was fitted to. */
export interface SavedModel {
  readonly state: ModelState;
  readonly seen: HistoryState;
}

interface Contents {
  readonly version: number;
  /** SHA-256 of `body`, hex. */
  readonly checksum: string;
  /** A {@link SavedModel} as JSON. */
  readonly body: string;
}

export interface ModelFileOptions {
  readonly logger: Logger;
  readonly clock: WallClock;
}

/** A fitted model on the disk. All that is in it can be learnt again, so nothing that is wrong with it is an error. */
export class ModelFile {
  readonly path: string;
  readonly #options: ModelFileOptions;

  constructor(path: string, options: ModelFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /** What is in the file; undefined if there is none, one of another version, or a damaged one, which is set aside with a warning. */
  async load(): Promise<SavedModel | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#warn(`The model ${this.path} cannot be read: ${message}`);
      return undefined;
    }
    try {
      return parse(text);
    } catch (error) {
      const reason = (error as Error).message;
      const moved = await setAside(this.path, undefined, this.#options.clock.unixMs()).catch(() => undefined);
      this.#warn(
        `The model ${this.path} is damaged (${reason}). ${moved ? `It was renamed to ${moved}, and` : 'It'} will be learnt again.`,
      );
      return undefined;
    }
  }

  /** The file appears at once or not at all. If it cannot be written that is a warning. */
  async save(model: SavedModel): Promise<void> {
    const body = JSON.stringify(model);
    const contents: Contents = { version: STATE_VERSION, checksum: checksumOf(body), body };
    const partial = `${this.path}.${process.pid}.partial`;
    try {
      await writeFile(partial, JSON.stringify(contents));
      await rename(partial, this.path);
    } catch (error) {
      await rm(partial, { force: true }).catch(() => {});
      this.#warn(`The model ${this.path} cannot be written: ${(error as Error).message}`);
    }
  }

  #warn(message: string): void {
    this.#options.logger.warn({ path: this.path }, message);
  }
}

const checksumOf = (body: string): string => createHash('sha256').update(body).digest('hex');

/** @throws if it is damaged */
function parse(text: string): SavedModel | undefined {
  const { version, checksum, body } = JSON.parse(text) as Contents;
  if (typeof body !== 'string' || checksumOf(body) !== checksum) {
    throw new VectorBatchError('VBO_ERR_MODEL', 'its checksum is wrong');
  }
  if (version !== STATE_VERSION) return undefined;
  const { state, seen } = JSON.parse(body) as SavedModel;
  return { state: checkState(state), seen };
}
