/** The networks that compare pictures, against transformers' and the lpips package's. */
import { useBackend } from '../backend';
import { metrics } from '../parity/metrics';
import { testComparisons } from '../parity/testComparisons';

useBackend();

testComparisons(metrics);
