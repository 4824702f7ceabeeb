/** Whole edits on a small checkpoint against the authors' controllers on diffusers' networks. */
import { useBackend } from './backend';
import { edits } from './parity/edits';
import { testComparisons } from './parity/testComparisons';

useBackend();

testComparisons(edits);
