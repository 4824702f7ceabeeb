/** The name of the checkpoint that comes with the package. */
export const EMBEDDED = 'emoji-world';
