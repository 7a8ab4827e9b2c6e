import { chmodSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { History } from '../../src/history/history.js';
import { runChild, startChild } from './child.js';
import { recordsAt, scratchFolder, warningLogger } from './support.js';

const folder = scratchFolder();

it('a process that is killed in the middle of appending loses nothing it was told is kept', async () => {
  const path = folder.file('history.db');
  let acknowledged = 0;
  for (let round = 1; round <= 5; round++) {
    const child = startChild(
      `const history = await History.open(path);
       for (let n = 0; ; n++) {
         await history.append(Array.from({ length: 20 }, (_, k) => record(words[0], 20 * n + k)));
         console.log(n);
       }`,
      path,
      String(round),
    );
    const lines = createInterface({ input: child.stdout! });
    let batches = 0;
    for await (const _ of lines) {
      if (++batches === 10 * round) child.kill('SIGKILL');
    }
    acknowledged += 20 * batches;
    const logger = warningLogger();
    await using history = await History.open(path, { logger });
    const kept = await history.records();
    expect(logger.warnings).toEqual([]);
    expect(kept.length).toBeGreaterThanOrEqual(acknowledged);
    // Of each round what came first, and whole batches of it.
    const own = kept.filter(({ writer }) => writer === String(round)).map(({ n }) => n as number);
    expect(own.length % 20).toBe(0);
    expect(own.toSorted((a, b) => a - b)).toEqual(own.map((_, n) => n));
    acknowledged = kept.length;
  }
});

it('several processes may create one history, and write and read it at once', async () => {
  const path = folder.file('history.db');
  const writers = ['a', 'b', 'c'];
  const done = writers.map((writer) =>
    runChild(
      `const history = await History.open(path);
       for (let n = 0; n < 400; n += 10) {
         await history.append(Array.from({ length: 10 }, (_, k) => record(words[0], n + k)));
         if (n % 50 === 0) await history.records({ limit: 100 });
       }
       await history.close();`,
      path,
      writer,
    ),
  );
  await Promise.all(done);
  await using history = await History.open(path);
  const records = await history.records();
  for (const writer of writers) {
    const own = records.filter((record) => record.writer === writer).map(({ n }) => n as number);
    expect(own.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, n) => n));
  }
});

/** Nothing is forbidden to root. What is loaded later is loaded before: somebody else may not see the checkout. */
const becomeSomebodyElse = `if (process.getuid?.() === 0) {
  const loaded = await History.open(':memory:');
  await loaded.append([record('x', 1)]);
  await loaded.close();
  process.setuid(65534);
}`;

it('a read-only history is read, with a warning, and refuses to be written', async () => {
  const path = folder.file('history.db');
  {
    await using history = await History.open(path);
    await history.append(recordsAt(5));
  }
  chmodSync(path, 0o444);
  chmodSync(folder.path, 0o555);
  const before = readdirSync(folder.path);
  const output = await runChild(
    `${becomeSomebodyElse}
     const warnings = [];
     const ignore = () => {};
     const logger = { debug: ignore, info: ignore, error: ignore, warn: (_, message) => warnings.push(message) };
     const history = await History.open(path, { logger });
     const count = await history.count();
     const refusal = await history.append([record('x', 1)]).catch((error) => error.code);
     await history.close();
     console.log(JSON.stringify({ count, refusal, warnings, isReadOnly: history.isReadOnly }));`,
    path,
  ).finally(() => chmodSync(folder.path, 0o755));
  expect(JSON.parse(output)).toEqual({
    ...{ count: 5, refusal: 'VBO_ERR_HISTORY', isReadOnly: true },
    warnings: [`The history ${path} is read-only: nothing will be recorded.`],
  });
  expect(readdirSync(folder.path)).toEqual(before);
});

it('a history where nothing may be created is refused with the reason', async () => {
  chmodSync(folder.path, 0o555);
  const output = await runChild(
    `${becomeSomebodyElse}
     await History.open(path).catch((error) => console.log(JSON.stringify(error)));`,
    folder.file('history.db'),
  ).finally(() => chmodSync(folder.path, 0o755));
  expect(JSON.parse(output)).toMatchObject({ code: 'VBO_ERR_HISTORY' });
});
