import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createApp } from '../../src/server/app.js';
import { readServerConfig } from '../../src/server/config.js';
import { VectorBatchOptimizer } from '../../src/vector-batch-optimizer.js';

const FOLDER = resolve(import.meta.dirname, '../../docs/monitoring');
const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; refId: string }[];
}

interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; query: { query: string } }[] };
}

interface Rule {
  alert: string;
  expr: string;
  annotations: { summary: string; description: string };
  labels: { severity: string };
}

const dashboard = JSON.parse(read('grafana-dashboard.json')) as Dashboard;
const { groups } = parse(read('alerts.yml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** Names and, where they are given in full, labels of the metrics in a PromQL expression. */
const metricsOf = (expression: string): string[] => [...new Set(expression.match(/\bvbo_\w+/g))];

describe('the monitoring', () => {
  const known = new Map<string, string>();
  const text = { metrics: '' };
  const optimizer = VectorBatchOptimizer.create({ threads: 0 });
  beforeAll(async () => {
    const app = await createApp(await optimizer, readServerConfig({}));
    // One request and one answer, so that histograms have children.
    await app.inject({ url: '/health' });
    text.metrics = (await app.inject({ url: '/metrics' })).body;
    for (const [, name, kind] of text.metrics.matchAll(/^# TYPE (\S+) (\w+)$/gm)) {
      const suffixes =
        kind === 'histogram'
          ? ['_bucket', '_sum', '_count']
          : kind === 'summary'
            ? ['', '_sum', '_count']
            : [''];
      for (const suffix of suffixes) known.set(name! + suffix, kind!);
    }
    await app.close();
  });
  afterAll(async () => (await optimizer).close());

  it('names only metrics that the service shows', () => {
    const expressions = [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...dashboard.templating.list.map(({ query }) => query.query),
      ...rules.map(({ expr }) => expr),
    ];
    expect(expressions.length).toBeGreaterThan(30);
    const unknown = expressions.flatMap(metricsOf).filter((name) => !known.has(name));
    expect(unknown).toEqual([]);
  });

  it('takes rates of counters only, and quantiles of histograms only', () => {
    const expressions = [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...rules.map(({ expr }) => expr),
    ];
    for (const expression of expressions) {
      for (const [, name] of expression.matchAll(/(?:rate|increase)\((vbo_\w+)/g))
        expect(known.get(name!), expression).toMatch(/^(counter|histogram|summary)$/);
      for (const [, name] of expression.matchAll(/histogram_quantile\([^)]*?(vbo_\w+)/g))
        expect(name, expression).toMatch(/_bucket$/);
      expect((expression.match(/[({[]/g) ?? []).length).toBe((expression.match(/[)}\]]/g) ?? []).length);
    }
  });

  it('alerts on the growth of counters whose series are there from the start, at 0', () => {
    const selectors = rules.flatMap(({ expr }) => [
      ...expr.matchAll(/\b(?:rate|increase)\((vbo_\w+)(?:\{([^}]*)\})?\[/g),
    ]);
    const counters = selectors.filter(([, name]) => known.get(name!) === 'counter');
    expect(counters.length).toBeGreaterThanOrEqual(5);
    for (const [selector, name, labels = ''] of counters) {
      const series = text.metrics.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line));
      const wanted = labels.split(',').map((label) => label.trim());
      expect(
        series.filter((line) => wanted.every((label) => line.includes(label))),
        selector,
      ).not.toEqual([]);
      expect(
        series.every((line) => line.endsWith(' 0')),
        selector,
      ).toBe(true);
    }
  });

  it('shows every metric of the service’s own somewhere', () => {
    const shown = new Set(
      dashboard.panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsOf(expr))),
    );
    const own = [...text.metrics.matchAll(/^# TYPE (vbo_(?!nodejs_|process_)\S+) /gm)].map(
      ([, name]) => name!,
    );
    const hidden = own.filter((name) => ![...shown].some((metric) => metric.startsWith(name)));
    expect(hidden).toEqual([]);
  });

  it('says for each alert what happened, what to do and how bad it is', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, annotations, labels } of rules) {
      expect(annotations.summary, alert).toMatch(/\{\{ \$labels\.\w+ \}\}/);
      expect(annotations.description, alert).toMatch(/\.$/);
      expect(labels.severity).toMatch(/^(critical|warning|info)$/);
    }
  });

  it('lays its panels out without one over another', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const [i, { gridPos: a, title }] of dashboard.panels.entries()) {
      expect(a.x + a.w, title).toBeLessThanOrEqual(24);
      for (const { gridPos: b } of dashboard.panels.slice(i + 1)) {
        const overlaps = a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
        expect(overlaps, title).toBe(false);
      }
    }
  });
});
