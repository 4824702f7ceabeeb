/** The published inversions, on the small checkpoint. */
import { useBackend } from '../backend';
import { inversions, pictureEdits } from '../parity/inversions';
import { testComparisons } from '../parity/testComparisons';

useBackend();

testComparisons([...inversions, ...pictureEdits]);
