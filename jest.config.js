// The tests need what is compiled from wasm/.
require('./scripts/buildWasm').buildWasm();

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'commonjs' } },
    ],
  },
  // The examples import the package by its name.
  moduleNameMapper: {
    '^prompt-to-prompt-tfjs$': '<rootDir>/src',
    '^prompt-to-prompt-tfjs/node$': '<rootDir>/src/node',
  },
  reporters: ['default', '<rootDir>/test/closingLine.js'],
  // Each file starts its own backend; with more workers than cores they only slow each other down.
  maxWorkers: 2,
  // Only what hangs is to end so: on a machine that is busy with other things a test may take ten times as long.
  testTimeout: 300_000,
};
