import type { BatchSizeRecommendation } from '../optimizer/batch-size-calculator.js';
import { decimalText } from './decimals.js';
import type { CalculateSizeAnswer } from './schemas/calculate-size.js';

/** What the busiest route answers: by hand what `toWire` does, which takes several times as long. */
export function sizeAnswer(answer: BatchSizeRecommendation): CalculateSizeAnswer {
  const { predicted, model } = answer;
  const { cost } = model;
  return {
    recommended_batch_size: answer.recommendedBatchSize,
    recommended_concurrency: answer.recommendedConcurrency,
    predicted: {
      throughput_vps: predicted.throughputVps,
      batch_latency_ms: predicted.batchLatencyMs,
      p95_latency_ms: predicted.p95LatencyMs,
      memory_mb: predicted.memoryMb,
      process_peak_mb: predicted.processPeakMb,
    },
    confidence: answer.confidence,
    interval: answer.interval,
    binding_constraint: answer.bindingConstraint,
    alternatives: answer.alternatives.map((alternative) => ({
      batch_size: alternative.batchSize,
      concurrency: alternative.concurrency,
      throughput_vps: alternative.throughputVps,
      batch_latency_ms: alternative.batchLatencyMs,
      p95_latency_ms: alternative.p95LatencyMs,
      memory_mb: alternative.memoryMb,
      process_peak_mb: alternative.processPeakMb,
      why: alternative.why,
    })),
    explanation: answer.explanation,
    model: {
      database: model.database,
      basis: model.basis,
      records: model.records,
      cost: {
        fixed_ms: cost.fixedMs,
        per_vector_ms: cost.perVectorMs,
        super_linear_ms: cost.superLinearMs,
        sigma: cost.sigma,
        kappa: cost.kappa,
      },
    },
  };
}

/**
 * The JSON of an answer. A compiled serializer takes twice as long: it looks for what to escape in texts that are our own and
 * hold nothing of the kind, and it has V8 find the shortest digits of every number.
 */
export function sizeAnswerText(answer: CalculateSizeAnswer): string {
  const { interval, alternatives, model } = answer;
  const { cost } = model;
  let others = '';
  for (let k = 0; k < alternatives.length; k++) {
    const other = alternatives[k]!;
    others +=
      `${k > 0 ? ',' : ''}{"batch_size":${other.batch_size},"concurrency":${other.concurrency},` +
      `${expectedText(other)},"why":"${other.why}"}`;
  }
  return (
    `{"recommended_batch_size":${answer.recommended_batch_size},"recommended_concurrency":${answer.recommended_concurrency},` +
    `"predicted":{${expectedText(answer.predicted)}},"confidence":${decimalText(answer.confidence)},` +
    `"interval":{"low":${decimalText(interval.low)},"high":${decimalText(interval.high)}},` +
    `"binding_constraint":"${answer.binding_constraint}","alternatives":[${others}],"explanation":"${answer.explanation}",` +
    `"model":{"database":"${model.database}","basis":"${model.basis}","records":${model.records},` +
    `"cost":{"fixed_ms":${decimalText(cost.fixed_ms)},"per_vector_ms":${decimalText(cost.per_vector_ms)},` +
    `"super_linear_ms":${decimalText(cost.super_linear_ms)},"sigma":${decimalText(cost.sigma)},"kappa":${decimalText(cost.kappa)}}}}`
  );
}

const expectedText = (expected: CalculateSizeAnswer['predicted']): string =>
  `"throughput_vps":${decimalText(expected.throughput_vps)},"batch_latency_ms":${decimalText(expected.batch_latency_ms)},` +
  `"p95_latency_ms":${decimalText(expected.p95_latency_ms)},"memory_mb":${decimalText(expected.memory_mb)},` +
  `"process_peak_mb":${decimalText(expected.process_peak_mb)}`;
