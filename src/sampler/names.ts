export const SAMPLERS = ['ddim', 'dpm++'] as const;
/** DDIM, or DPM-Solver++(2M). */
export type SamplerName = (typeof SAMPLERS)[number];

export function isSamplerName(name: string): name is SamplerName {
  return SAMPLERS.some((known) => known === name);
}
