import { expect, it } from 'vitest';
import { History } from '../../src/history/history.js';
import { Recorder } from '../../src/history/recorder.js';
import { clockAt, NOW, recordAt, scratchFolder, warningLogger } from './support.js';

const folder = scratchFolder();

it('keeps the others from the file by no record that cannot be kept', async () => {
  await using history = await History.open(folder.file('history.db'));
  const logger = warningLogger();
  const recorder = new Recorder(history, { clock: clockAt(NOW), logger });
  for (const n of [1, 2, 3]) recorder.record(recordAt(n));
  recorder.record(recordAt(4, { collection_rows: -1 }));
  for (const n of [5, 6]) recorder.record(recordAt(n));
  expect(await recorder.flush()).toBeUndefined();
  expect(await history.count()).toBe(5);
  expect(logger.warnings).toEqual([expect.stringContaining('record.collection_rows is -1')]);
});
