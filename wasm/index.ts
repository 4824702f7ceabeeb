/**
 * What the wasm backend's kernels of ours (src/backend/wasm*.ts) compute with, in tfjs's own memory, of which nothing
 * here asks for more.
 */
export { QUEUE, QUEUE_BYTES, done, parameters, give, finish, help } from './pool';
