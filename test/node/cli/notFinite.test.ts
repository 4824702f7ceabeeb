import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { fileBytes } from '../../../src/node/fileSource';
import { SafetensorsFile } from '../../../src/weights/safetensors';
import { writeSafetensors } from '../../../src/weights/safetensorsWriter';
import { MODEL, useCommand } from './command';

jest.setTimeout(180_000);
const { p2p, work } = useCommand();

const WEIGHTS = 'unet/diffusion_pytorch_model.safetensors';

/** The small model with one tensor of its UNet filled with a number. */
async function spoiltModel(name: string, spoilt: string, value: number): Promise<string> {
  cpSync(MODEL, work(name), { recursive: true });
  const file = await SafetensorsFile.open(await fileBytes(`${MODEL}/${WEIGHTS}`));
  const tensors = await Promise.all(
    [...file.tensors].map(async ([key, { shape }]) => {
      const data = new Float32Array(await file.read(key));
      return { name: key, shape, data: key === spoilt ? data.fill(value) : data };
    }),
  );
  writeFileSync(work(name, WEIGHTS), await writeSafetensors(tensors));
  return name;
}

test.each([
  ['a NaN among the weights', 'conv_out.bias', NaN, /conv_out\.bias/],
  ['an infinite weight', 'conv_in.weight', Infinity, /conv_in\.weight/],
  // Normalised features of more than 1.2 overflow.
  ['an overflow in a step', 'conv_norm_out.weight', 3e38, /[Ss]tep/],
])('%s ends the command with 1 and writes nothing', async (name, tensor, value, message) => {
  const model = await spoiltModel(name.replaceAll(' ', '-'), tensor, value);
  const before = readdirSync(work()).sort();
  for (const call of [
    ['generate', '--prompt', 'a cat', '--record', 'x.recording'],
    ['edit', '--source', 'a cat', '--target', 'a dog'],
    ['attend', '--prompt', 'a cat'],
  ]) {
    const { code, stdout, stderr } = await p2p(...call, '--model', model, '--steps', '2', '--backend', 'wasm');
    expect(stderr).toMatch(/^error: .*not finite/);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([1, '']);
    expect(readdirSync(work()).sort()).toEqual(before);
  }
});
