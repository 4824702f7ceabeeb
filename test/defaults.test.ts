import { AUTHORS_DEFAULTS, defaultsOf } from '../src/defaults';
import { AUTHORS_SHARES, longestSelf } from '../src/edits/prompt-to-prompt/shares';
import { openCheckpoint } from '../src/node/checkpoint';
import { SAMPLERS } from '../src/sampler/schedulers';

const stating = (json?: unknown) =>
  defaultsOf({ defaults: async () => (json === undefined ? undefined : { file: 'model/p2p.json', json }) });

test("a checkpoint that states none takes the authors' defaults", async () => {
  expect(await stating()).toEqual(AUTHORS_DEFAULTS);
  expect(await stating({})).toEqual(AUTHORS_DEFAULTS);
  expect(AUTHORS_DEFAULTS).toMatchObject({ guidance: 7.5, steps: 50, sampler: 'ddim' });
  expect(AUTHORS_SHARES.refine).toEqual({ cross: 0.8, self: 0.4, context: 0 });
});

test('what a checkpoint states wins, value by value, and is known as its own', async () => {
  const json = { guidance: 3, shares: { replace: { self: [0.1, 0.6] }, reweight: { cross: 1, context: 0.5 } } };
  const defaults = await stating(json);
  expect(defaults).toEqual({
    guidance: 3,
    projectAbove: 100,
    steps: 50,
    sampler: 'ddim',
    shares: {
      replace: { cross: 0.8, self: [0.1, 0.6], context: 0 },
      redescribe: { cross: 0.8, self: [0.1, 0.6], context: 0 },
      refine: { cross: 0.8, self: 0.4, context: 0 },
      reweight: { cross: 1, self: 0.4, context: 0.5 },
    },
    pictures: { guidance: 3 },
    stated: json,
  });
  expect(longestSelf(defaults.shares)).toBe(0.6);
});

test('swaps of words that a checkpoint says only describe have shares of their own, else those of a swap', async () => {
  const { shares } = await stating({
    shares: { replace: { self: 0.3 }, redescribe: { self: 0 }, describing: ['Red', 'blue'] },
  });
  expect(shares.replace.self).toBe(0.3);
  expect(shares.redescribe).toEqual({ cross: 0.8, self: 0, context: 0 });
  expect(shares.describing).toEqual(['red', 'blue']);
});

test("pictures of one's own are edited with the guidance and the negative prompt that are stated for them", async () => {
  const { guidance, pictures } = await stating({ guidance: 3, pictures: { guidance: 2, negative: 'source' } });
  expect([guidance, pictures]).toEqual([3, { guidance: 2, negative: 'source' }]);
  expect((await stating({ pictures: {} })).pictures.guidance).toBe(7.5);
});

const SHARE = 'Expected a fraction from 0 to 1, or a range that rises';
test.each([
  [{ guidance: '3' }, 'guidance is "3"'],
  [{ guidance: -1 }, 'guidance is -1'],
  [{ steps: 2.5 }, 'steps is 2.5'],
  [{ steps: 0 }, 'steps is 0'],
  [{ projectAbove: -1 }, 'projectAbove is -1'],
  [{ sampler: 'none' }, `sampler is "none"; supported: ${SAMPLERS.map((name) => `"${name}"`).join(', ')}.`],
  [{ shares: { replace: { cross: 1.2 } } }, `shares.replace.cross is 1.2: ${SHARE}`],
  [{ shares: { refine: { self: [0.8, 0.2] } } }, `shares.refine.self is [0.8,0.2]: ${SHARE}`],
  [{ shares: { reweight: { context: [0.2] } } }, `shares.reweight.context is [0.2]: ${SHARE}`],
  [{ shares: { swap: { cross: 1 } } }, 'swap'],
  [{ shares: { describing: 'red' } }, 'shares.describing is "red"'],
  [{ shares: { replace: { corss: 1 } } }, 'corss'],
  [{ pictures: { guidance: 200 } }, 'pictures.guidance is 200'],
  [{ pictures: { steps: 3 } }, 'steps'],
  [{ pictures: { negative: 'blurry' } }, 'pictures.negative is "blurry"; supported: "source"'],
  [{ guidence: 3 }, 'guidence is 3, and this key is not supported'],
  [[], 'model/p2p.json: '],
  ['3', 'model/p2p.json: '],
])('%j is refused by file, key and value', async (json, message) => {
  await expect(stating(json)).rejects.toThrow(message);
  await expect(stating(json)).rejects.toThrow('model/p2p.json: ');
});

test('the embedded checkpoint states all of them', async () => {
  const { stated } = await defaultsOf(await openCheckpoint('emoji-world'));
  expect(Object.keys(stated).sort()).toEqual(['guidance', 'pictures', 'projectAbove', 'sampler', 'shares', 'steps']);
  expect(stated.guidance).toBeLessThanOrEqual(4);
});
