import { useBackend } from '../backend';
import { samplerCases, samplerOf, samplers } from '../parity/samplers';
import { testComparisons } from '../parity/testComparisons';

describe('against diffusers', () => {
  useBackend();

  testComparisons(samplers);

  test.each(samplerCases)('$name has its timesteps', (one) => {
    for (const { steps, timesteps } of one.runs)
      expect(samplerOf(one, steps, [1, 1, 1, 1]).timesteps).toEqual(timesteps);
  });
});
