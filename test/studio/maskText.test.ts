import { maskOf, maskText } from '../../studio/src/page/maskText';

test.each([256, 225, 3])('a mask of %i cells comes back from its text, and only for as many', (cells) => {
  const mask = Array.from({ length: cells }, (_, i) => ((i * i) % 3 ? 1 : 0));
  expect(maskOf(maskText(mask), cells)).toEqual(mask);
  expect(maskOf(maskText(mask), cells + 8)).toBeUndefined();
});

test('a text that is no mask gives none', () => {
  expect(maskOf('%%%', 16)).toBeUndefined();
});
