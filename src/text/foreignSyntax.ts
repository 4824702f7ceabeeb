/** Other programs' syntax for weighting or changing words inside a prompt, which is plain text here. */
const SYNTAXES: readonly RegExp[] = [
  /<(?:lora|lyco|hypernet|embedding):[^<>]*>/i, // <lora:name:0.8>
  /\([^()]+:\s*[-+]?\d*\.?\d+\s*\)/, // (cat:1.3)
  /\([^()]+\)(?:\++|-{2,}|[-+]?\d*\.\d+)/, // (cat)++, (cat)1.3
  /(?<![\w+])[\p{L}\p{N}]+(?:\+{2,}|-{2,})(?=[\s,.)]|$)/u, // cat++
  /\[[^[\]]+:[^[\]]*:\s*\d*\.?\d+\s*\]/, // [cat:dog:0.5]
  /\[[^[\]|]+\|[^[\]]+\]/, // [cat|dog]
  /\({2,}[^()]+\){2,}/, // ((cat))
  /[\p{L}\p{N}]::-?\d*\.?\d+/u, // cat::2
];

/**
 * The first part of a prompt that other programs would read as syntax, such as `(cat:1.3)`; undefined if there is none.
 */
export function foreignSyntax(prompt: string): string | undefined {
  return SYNTAXES.map((syntax) => syntax.exec(prompt)?.[0]).find((found) => found !== undefined);
}
