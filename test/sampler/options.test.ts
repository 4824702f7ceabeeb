import { createSampler, type SamplerOptions } from '../../src/sampler/createSampler';
import type { SamplerName } from '../../src/sampler/schedulers';

const file = 'model/scheduler/scheduler_config.json';

function create(json: unknown, options: Partial<SamplerOptions> = {}): unknown {
  return createSampler({ file, json }, { steps: 10, ...options });
}

describe('a scheduler config that asks for what is not there', () => {
  test.each([
    [{ beta_schedule: 'sigmoid' }, 'ddim', `${file}: beta_schedule is "sigmoid"`],
    [{ prediction_type: 'flow_prediction' }, 'ddim', `${file}: prediction_type is "flow_prediction"`],
    [{ timestep_spacing: 'karras' }, 'ddim', `${file}: timestep_spacing is "karras"`],
    [{ num_train_timesteps: 0 }, 'ddim', `${file}: num_train_timesteps is 0`],
    [{ num_train_timesteps: 1e9 }, 'ddim', `${file}: num_train_timesteps is 1000000000`],
    [{ steps_offset: 1e9 }, 'dpm++', `${file}: steps_offset is 1000000000`],
    [{ beta_end: 2 }, 'ddim', `${file}: beta_end is 2`],
    [{ clip_sample: 'no' }, 'ddim', `${file}: clip_sample is "no"`],
    [{ trained_betas: [0.1, 'x'] }, 'ddim', `${file}: trained_betas.1 is "x"`],
    [{ shift: 3 }, 'ddim', `${file}: shift is 3`],
    [{ algorithm_type: 'sde-dpmsolver++' }, 'dpm++', `${file}: algorithm_type is "sde-dpmsolver++"`],
    [{ use_flow_sigmas: true }, 'dpm++', `${file}: use_flow_sigmas is true`],
    [{ variance_type: 'learned' }, 'dpm++', `${file}: variance_type is "learned"`],
    [{ solver_order: 4 }, 'dpm++', `${file}: solver_order is 4`],
  ] as const)('%p is refused by %s: %s', (json, sampler, message) => {
    expect(() => create(json, { sampler })).toThrow(message);
  });

  test.each([null, [], 'text'])('%p is no config', (json) => {
    expect(() => create(json)).toThrow(file);
  });
});

test('options of other samplers do not matter', () => {
  expect(() =>
    create({ algorithm_type: 'sde-dpmsolver++', use_flow_sigmas: true, solver_p: null, skip_prk_steps: true }),
  ).not.toThrow();
  expect(() =>
    create({ clip_sample: true, set_alpha_to_one: false, interpolation_type: 'linear' }, { sampler: 'dpm++' }),
  ).not.toThrow();
});

describe('options out of range', () => {
  test.each([
    ['steps', { steps: 0 }],
    ['steps', { steps: 2.5 }],
    ['steps', { steps: NaN }],
    ['1001 steps are too many', { steps: 1001 }],
    ['1001 steps are too many', { steps: 1001, sampler: 'dpm++' }],
    ['eta is 1.5', { eta: 1.5 }],
    ['eta is -1', { eta: -1 }],
    ['a generator is needed', { eta: 0.5 }],
    ['karras is true, and the sampler ddim (DDIMScheduler) has no such option', { karras: true }],
    ['eta is 0.5, and the sampler dpm++ (DPMSolverMultistepScheduler)', { eta: 0.5, sampler: 'dpm++' }],
    ['use a sampler that has it: ddim.', { eta: 0.5, karras: true, sampler: 'dpm++' }],
    ['There is no sampler "none". Choose from ddim (DDIMScheduler), dpm++', { sampler: 'none' as SamplerName }],
    ['There is no sampler "toString"', { sampler: 'toString' as SamplerName }],
  ] as const)('%s: %p', (message, options) => {
    expect(() => create({}, options)).toThrow(RangeError);
    expect(() => create({}, options)).toThrow(message);
  });

  test('a run that would begin after the last timestep', () => {
    expect(() => create({ steps_offset: 1 }, { steps: 1000 })).toThrow('the run would start at 1000');
  });

  test('noise predicted where there is nothing but noise', () => {
    const config = { rescale_betas_zero_snr: true, timestep_spacing: 'trailing' };
    expect(() => create(config)).toThrow('timestep 999');
    expect(() => create({ ...config, prediction_type: 'v_prediction' })).not.toThrow();
  });
});
