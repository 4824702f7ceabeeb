import { checkTensorFlow, processorTag, readWheelName } from '../../../src/node/native/versions';

const processor = processorTag();

test('a TensorFlow that was not tried is refused with the ones that were', () => {
  expect(() => checkTensorFlow('2.9.1')).toThrow(/2\.9\.1 is not tested.*choose 2\.21\.0/);
  expect(() => checkTensorFlow('2.21.0')).not.toThrow();
});

test("a wheel is known by its file's name", () => {
  expect(readWheelName(`tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_${processor}.whl`)).toEqual({
    tensorflow: '2.21.0',
    kind: 'cpu',
  });
  expect(readWheelName(`tensorflow-2.21.0-cp313-cp313-manylinux_2_27_${processor}.whl`)).toEqual({
    tensorflow: '2.21.0',
    kind: 'gpu',
  });
  expect(() => readWheelName('torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl')).toThrow(
    /not the name of a TensorFlow wheel/,
  );
  expect(() => readWheelName('tensorflow_cpu-2.21.0-cp311-cp311-win_amd64.whl')).toThrow(
    /not the name of a TensorFlow wheel for Linux/,
  );
  expect(() => readWheelName('tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_riscv64.whl')).toThrow(/is for riscv64/);
  expect(() => readWheelName(`tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_99_${processor}.whl`)).toThrow(
    /needs glibc 2\.99/,
  );
});
