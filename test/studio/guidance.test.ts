import { guidanceWith } from '../../studio/src/page/guidance';

const DEFAULTS = { guidance: 3, pictureGuidance: 2 };

test("a source takes the guidance that suits it, a person's own choice stays", () => {
  expect(guidanceWith('mine.png', { guidance: 3 }, DEFAULTS)).toBe(2);
  expect(guidanceWith('other.png', { guidance: 2, picture: 'mine.png' }, DEFAULTS)).toBe(2);
  expect(guidanceWith(undefined, { guidance: 2, picture: 'mine.png' }, DEFAULTS)).toBe(3);
  expect(guidanceWith('mine.png', { guidance: 5 }, DEFAULTS)).toBe(5);
  expect(guidanceWith(undefined, { guidance: 3, picture: 'mine.png' }, DEFAULTS)).toBe(3);
});
