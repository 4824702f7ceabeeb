import { parsePythonJson } from '../src/config';

describe('parsePythonJson', () => {
  test('reads the numbers that Python writes and JSON does not know', () => {
    expect(parsePythonJson('{"lambda_min_clipped": -Infinity, "list": [Infinity, NaN, -1.5e3]}')).toEqual({
      lambda_min_clipped: -Infinity,
      list: [Infinity, null, -1500],
    });
  });

  test('leaves text as it is', () => {
    const text = JSON.stringify({ Infinity: '-Infinity "NaN" \\', NaN: 'a\\"Infinity' });
    expect(parsePythonJson(text)).toEqual(JSON.parse(text));
  });

  test.each(['{"a": Infinit}', '{"a": NaNs}', '{a: 1}', '', '["Infinity]'])('%p is no JSON', (text) => {
    expect(() => parsePythonJson(text)).toThrow(SyntaxError);
  });
});
