// What `tf` means here, for the library and for users' controllers: tfjs's core.
export * from '@tensorflow/tfjs-core';
