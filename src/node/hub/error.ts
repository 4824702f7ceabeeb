/**
 * The hub, or the way to it, did not give what was asked for. The message says what to do, and never has a token in it.
 */
export class HubError extends Error {
  override readonly name = 'HubError';
}
