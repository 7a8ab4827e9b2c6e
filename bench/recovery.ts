/**
 * Does the fit find what made the records? 500 random cost models, each measured at 36 settings with 15 % noise, twice:
 *
 *     npx tsx bench/recovery.ts [MODELS]
 *
 * Prints how often the fitted optimum reaches 95 % of the true one's rate, and how often the 90 % interval of the rate
 * holds the true one, over all settings.
 */
import { recovery } from '../test/model/recovery.js';

const models = Number(process.argv[2] ?? 500);
process.stdout.write(`${JSON.stringify({ models, ...recovery(models, 2026) }, null, 2)}\n`);
