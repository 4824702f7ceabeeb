/** More threads than any machine uses for one operation. */
export const MAX_THREADS = 1024;
