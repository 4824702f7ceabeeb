/**
 * The code behind our kernels for the wasm backend (src/backend/wasm*.ts). It works in tfjs's own memory and allocates
 * none.
 */
export { QUEUE, QUEUE_BYTES, done, parameters, give, finish, help } from './pool';
