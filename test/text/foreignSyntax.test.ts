import { foreignSyntax } from '../../src/text/foreignSyntax';

test.each([
  ['a (cat:1.3) on grass', '(cat:1.3)'],
  ['a (fluffy cat: 0.8), grass', '(fluffy cat: 0.8)'],
  ['a (cat:.5)', '(cat:.5)'],
  ['a ((cat)) on grass', '((cat))'],
  ['a [cat:dog:0.5]', '[cat:dog:0.5]'],
  ['a [cat|dog]', '[cat|dog]'],
  ['a cat <lora:style:0.8>', '<lora:style:0.8>'],
  ['a cat++ on grass', 'cat++'],
  ['a (fluffy cat)1.3', '(fluffy cat)1.3'],
  ['a (fluffy cat)++', '(fluffy cat)++'],
  ['cat::2 dog', 't::2'],
])('%s has %s', (prompt, found) => {
  expect(foreignSyntax(prompt)).toBe(found);
});

test.each([
  'a cat (on grass)',
  'a cat, 16:9',
  'at 10:30, a (small) cat',
  'a <sks> cat',
  'a red-haired man -- and a dog',
  'a cat [on grass]',
  'written in C',
  '',
])('%s has no syntax of other programs', (prompt) => {
  expect(foreignSyntax(prompt)).toBeUndefined();
});
