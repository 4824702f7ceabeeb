// What the library and controllers of one's own mean by `tf` here: tfjs's core.
export * from '@tensorflow/tfjs-core';
