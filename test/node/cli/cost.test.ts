import { parseUNetConfig } from '../../../src/model/config';
import { flopsPerRow, sitesAt } from '../../../src/model/cost';
import { UNet2DConditionModel } from '../../../src/model/unet';
import { duration, scaled, table } from '../../../src/node/cli/text';

/** Stable Diffusion 1.x; all else is diffusers' default. */
const sd1 = new UNet2DConditionModel(parseUNetConfig({ cross_attention_dim: 768, sample_size: 64 }));

test("floating-point operations are those that PyTorch's FlopCounterMode counts in diffusers' network", () => {
  expect(flopsPerRow(sd1, { height: 64, width: 64 }, 77)).toBe(803_273_441_280);
});

test('sites have the grid of their level', () => {
  const sites = sitesAt(sd1, { height: 96, width: 64 });
  const gridAt = (path: string) => sites.find((site) => site.path.startsWith(path))?.grid;
  expect(gridAt('down_blocks.0')).toEqual({ height: 96, width: 64 });
  expect(gridAt('down_blocks.2')).toEqual({ height: 24, width: 16 });
  expect(gridAt('mid_block')).toEqual({ height: 12, width: 8 });
  expect(gridAt('up_blocks.1')).toEqual({ height: 24, width: 16 });
  expect(gridAt('up_blocks.3')).toEqual({ height: 96, width: 64 });
  expect(sites).toHaveLength(32);
});

test('numbers read well', () => {
  expect([0, 999, 1500, 40e6, 4.27e9].map((value) => scaled(value, 'B'))).toEqual([
    '0 B',
    '999 B',
    '1.5 kB',
    '40 MB',
    '4.3 GB',
  ]);
  expect([0.04, 12.34, 99.4, 250.2].map(duration)).toEqual(['0.0 s', '12.3 s', '99.4 s', '4 min 10 s']);
});

test("a table's columns line up", () => {
  expect(
    table([
      ['site', 'heads'],
      ['down', 8],
      ['middle', 16],
    ]),
  ).toBe(['site    heads', '------  -----', 'down        8', 'middle     16'].join('\n'));
});
