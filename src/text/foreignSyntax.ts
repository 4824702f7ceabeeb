/** Ways of other programs to weigh or change words inside a prompt, which here are text like any other. */
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
 * What a prompt has that other programs read as more than text, such as `(cat:1.3)`; nothing if there is no such thing.
 */
export function foreignSyntax(prompt: string): string | undefined {
  return SYNTAXES.map((syntax) => syntax.exec(prompt)?.[0]).find((found) => found !== undefined);
}
