// Who may know whom in src/, checked by `npm run lint`. CONTRIBUTING.md says what each folder holds.
/** Each folder, and those of src/ that it may import from besides itself. */
const KNOWS = {
  backend: [],
  nn: ['backend'],
  text: [],
  attention: ['nn', 'backend', 'text'],
  model: ['attention', 'nn'],
  sampler: [],
  guidance: ['attention'],
  weights: ['backend', 'nn', 'text'],
  image: ['attention', 'edits', 'text'],
  metrics: ['edits', 'image', 'model', 'nn', 'text', 'weights'],
  edits: ['attention', 'text'],
  inversion: ['attention', 'guidance', 'sampler', 'session'],
  recording: ['attention', 'edits', 'guidance', 'inversion', 'model', 'nn', 'sampler', 'session', 'weights'],
  session: ['attention', 'guidance', 'model', 'sampler'],
  sides: ['attention', 'guidance', 'model', 'session', 'text'],
};

/** Any folder may use these. */
const SHARED = '^src/(config|errors|finite)\\.ts$';

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'only-node-knows-node',
      comment: 'Everything outside src/node runs in a browser too.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/node/' },
      to: { path: '^src/node/', dependencyTypesNot: ['core'] },
    },
    ...Object.entries(KNOWS).map(([folder, others]) => ({
      name: `${folder}-knows-${others.join('-') || 'nobody'}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: [SHARED, ...[folder, ...others].map((name) => `^src/${name}/`)] },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
