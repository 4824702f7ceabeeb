/** The strongest guidance that settings speak of: no guidance is projected above it. */
export const MAX_GUIDANCE = 100;
