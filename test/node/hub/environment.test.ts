import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { hubEnvironment } from '../../../src/node/hub/environment';
import { HubError } from '../../../src/node/hub/error';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-'));
});
afterEach(() => rm(home, { recursive: true }));

test.each([
  [{}, join(homedir(), '.cache/huggingface/hub')],
  [{ XDG_CACHE_HOME: '/x' }, '/x/huggingface/hub'],
  [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, '/h/hub'],
  [{ HF_HOME: '~/h' }, join(homedir(), 'h/hub')],
  [{ HF_HOME: '/h', HF_HUB_CACHE: '/c' }, '/c'],
  [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
])('with %j the cache is %s', async (variables, cache) => {
  expect((await hubEnvironment(variables)).cache).toBe(cache);
});

describe('the token', () => {
  test('comes from HF_TOKEN before any file', async () => {
    await writeFile(join(home, 'token'), 'hf_file');
    expect((await hubEnvironment({ HF_TOKEN: ' hf_variable\n', HF_HOME: home })).token).toBe('hf_variable');
  });

  test('comes from the file of HF_TOKEN_PATH, or the one in HF_HOME', async () => {
    await writeFile(join(home, 'token'), 'hf_home\n');
    await writeFile(join(home, 'other'), 'hf_other\n');
    expect((await hubEnvironment({ HF_HOME: home })).token).toBe('hf_home');
    expect((await hubEnvironment({ HF_HOME: home, HF_TOKEN_PATH: join(home, 'other') })).token).toBe('hf_other');
  });

  test('may be absent, or kept back', async () => {
    expect((await hubEnvironment({ HF_HOME: home })).token).toBeUndefined();
    expect(
      (await hubEnvironment({ HF_HOME: home, HF_TOKEN: 'hf_x', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).token,
    ).toBeUndefined();
  });

  test('that cannot be one is an error that does not show it', async () => {
    const error = (await hubEnvironment({ HF_TOKEN: 'hf_secret\nsecond line' }).catch(
      (reason: Error) => reason,
    )) as Error;
    expect(error).toBeInstanceOf(HubError);
    expect(error.stack).not.toContain('hf_secret');
  });
});

test('the endpoint is huggingface.co, or HF_ENDPOINT without a slash at its end', async () => {
  expect((await hubEnvironment({})).endpoint).toBe('https://huggingface.co');
  expect((await hubEnvironment({ HF_ENDPOINT: 'https://mirror.example/hub/' })).endpoint).toBe(
    'https://mirror.example/hub',
  );
});

test.each(['mirror', 'ftp://mirror', 'https://user:secret@mirror'])(
  'the endpoint %s is refused, and not shown',
  async (HF_ENDPOINT) => {
    const error = (await hubEnvironment({ HF_ENDPOINT }).catch((reason: Error) => reason)) as Error;
    expect(error.message).toMatch(/^HF_ENDPOINT is not an address/);
    expect(error.message).not.toContain('secret');
  },
);

test.each([
  ['1', true],
  ['ON', true],
  ['0', false],
  ['', false],
])('HF_HUB_OFFLINE=%s means offline: %s', async (HF_HUB_OFFLINE, offline) => {
  expect((await hubEnvironment({ HF_HUB_OFFLINE })).offline).toBe(offline);
});
