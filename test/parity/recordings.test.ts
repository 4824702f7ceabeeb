import { useBackend } from '../backend';
import { recordings } from './recordings';
import { testComparisons } from './testComparisons';

useBackend();

testComparisons(recordings);
