/** More threads than any machine computes one operation with. */
export const MAX_THREADS = 1024;
