/** A request to the hub failed. The message says what to do, and never contains a token. */
export class HubError extends Error {
  override readonly name = 'HubError';
}
