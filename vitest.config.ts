import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: more workers only fight each other and the pool under test.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // No test may read or write the history of whoever runs it.
    env: { VBO_HISTORY: 'none' },
  },
});
