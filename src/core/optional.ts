import { VectorBatchError } from './errors.js';

/**
 * Imports a package that is an optional peer dependency.
 * @throws VBO_ERR_MISSING_PACKAGE naming the command that installs it
 */
export async function importOptional<T>(name: string, load: () => Promise<T>, install: string): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_MISSING_PACKAGE',
      `The package ${name} cannot be loaded; install it with: ${install}. (${firstLine(cause)})`,
      { cause, details: { package: name, install } },
    );
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
