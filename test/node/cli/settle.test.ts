import { AUTHORS_DEFAULTS, type Defaults, defaultsOf } from '../../../src/defaults';
import { type Inverting, type RunSettings, settle } from '../../../src/node/cli/settle';

const NOTHING_GIVEN = { fromModel: [] } as unknown as RunSettings;
const DIRECT: Inverting = { method: 'direct', prompt: 'a cat' };
const stating = (json: object): Promise<Defaults> => defaultsOf({ defaults: async () => ({ file: 'p2p.json', json }) });

test("pictures of one's own take the guidance that the model states for them, where none is given", async () => {
  const own = await stating({ guidance: 3, pictures: { guidance: 2 } });
  expect(settle(NOTHING_GIVEN, own)).toMatchObject({ guidance: 3, fromModel: ['guidance'] });
  expect(settle(NOTHING_GIVEN, own, DIRECT)).toMatchObject({ guidance: 2, fromModel: ['guidance'] });
  expect(settle({ ...NOTHING_GIVEN, guidance: 5 }, own, DIRECT)).toMatchObject({ guidance: 5, fromModel: [] });
  expect(settle(NOTHING_GIVEN, AUTHORS_DEFAULTS, DIRECT)).toMatchObject({ guidance: 7.5, fromModel: [] });
});

test("an inversion that is for DDIM alone has the authors' steps, and the model's guidance", async () => {
  const own = await stating({ guidance: 3, sampler: 'dpm++', steps: 20 });
  const settled = settle(NOTHING_GIVEN, own, { method: 'null-text', prompt: 'a cat' });
  expect(settled).toMatchObject({ sampler: 'ddim', steps: 50, guidance: 3, fromModel: ['guidance'] });
});

test('where the model says so, guidance leads edits by direct inversion away from the source, unless told otherwise', async () => {
  const own = await stating({ pictures: { negative: 'source' } });
  expect(settle(NOTHING_GIVEN, own, DIRECT)).toMatchObject({ negative: 'a cat', fromModel: ['negative'] });
  expect(settle({ ...NOTHING_GIVEN, negative: '' }, own, DIRECT)).toMatchObject({ negative: '', fromModel: [] });
  expect(settle(NOTHING_GIVEN, own, { ...DIRECT, method: 'ddim' })).toMatchObject({ negative: '', fromModel: [] });
  expect(settle(NOTHING_GIVEN, own)).toMatchObject({ negative: '', fromModel: [] });
  expect(settle(NOTHING_GIVEN, AUTHORS_DEFAULTS, DIRECT)).toMatchObject({ negative: '', fromModel: [] });
});

test('guidance is projected where the model says so, but not by methods that are published without it', async () => {
  const own = await stating({ projectAbove: 3 });
  expect(settle(NOTHING_GIVEN, own)).toMatchObject({ projectAbove: 3, fromModel: ['projectAbove'] });
  expect(settle(NOTHING_GIVEN, own, DIRECT)).toMatchObject({ projectAbove: 3, fromModel: ['projectAbove'] });
  expect(settle(NOTHING_GIVEN, own, { ...DIRECT, method: 'ddim' })).toMatchObject({ projectAbove: 100, fromModel: [] });
  expect(settle({ ...NOTHING_GIVEN, projectAbove: 5 }, own)).toMatchObject({ projectAbove: 5, fromModel: [] });
});
