/** The published inversions, on the small checkpoint. */
import { useBackend } from '../backend';
import { inversions } from '../parity/inversions';
import { testComparisons } from '../parity/testComparisons';

useBackend();

testComparisons(inversions);
