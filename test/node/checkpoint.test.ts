import { join } from 'node:path';
import { openCheckpoint } from '../../src/node/checkpoint';

const EMOJI_WORLD = join(__dirname, '../../weights/emoji-world');

test('a diffusers folder gives configs, tensors and tokenizer files', async () => {
  const checkpoint = await openCheckpoint(EMOJI_WORLD);
  const { file, json } = await checkpoint.config('unet');
  expect(file).toBe(join(EMOJI_WORLD, 'unet/config.json'));
  expect(json).toMatchObject({ _class_name: 'UNet2DConditionModel' });
  const unet = await checkpoint.weights('unet');
  expect(unet.tensors.get('conv_in.weight')).toMatchObject({ dtype: 'F16', shape: [64, 4, 3, 3] });
  const numbers = await unet.read('conv_in.bias');
  expect(numbers).toHaveLength(64);
  expect((await checkpoint.tokenizer()).vocab).toHaveProperty('<|endoftext|>');
});
