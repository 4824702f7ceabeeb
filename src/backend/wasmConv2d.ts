import type { WasmKernel } from './wasmKernel';
import { multiply, type ProductRows } from './wasmProduct';
import { paysWinograd, winograd } from './wasmWinograd';

/** A convolution with bias over NHWC, for `Conv2d` (src/nn/conv2d.ts). */
export const conv2d: WasmKernel = ({
  inputs: { x, filter, bias },
  attrs: { stride, before, after },
  backend,
  pool,
}) => {
  const [pictures, height, width, channels] = x.shape;
  const [filterHeight, filterWidth, , columns] = filter.shape;
  const result: readonly [number, number] = [
    Math.floor((height + before + after - filterHeight) / stride) + 1,
    Math.floor((width + before + after - filterWidth) / stride) + 1,
  ];
  const out = backend.makeOutput([pictures, ...result, columns], 'float32');
  if (stride === 1 && before === 1 && after === 1 && paysWinograd(x, filter)) {
    winograd(backend, pool, { x, filter, bias, out });
    return out;
  }
  const under = {
    picture: [height, width],
    result,
    filter: [filterHeight, filterWidth],
    stride,
    zeros: [before, before],
  } as const;
  const pixelwise = filterHeight * filterWidth === 1 && stride === 1 && before + after === 0;
  const rows: ProductRows = {
    address: pool.address(x),
    matrices: 1,
    rows: pictures * result[0] * result[1],
    channels,
    under: pixelwise ? undefined : under,
  };
  multiply(pool, rows, {
    b: pool.address(filter),
    columns,
    transposed: false,
    bias: pool.address(bias),
    out: pool.address(out),
  });
  return out;
};
