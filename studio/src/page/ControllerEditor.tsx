import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { CodeEditor } from './editor';
import { EXAMPLES } from './examples';
import { attempt, change, notice, recipe } from './state';

const open = signal(false);

/** A controller written by the user, run with the edit. */
export function ControllerEditor() {
  const place = useRef<HTMLDivElement>(null);
  const editor = useRef<CodeEditor | undefined>(undefined);
  const isOpen = open.value || recipe.value?.code !== undefined;
  const load = () =>
    attempt('The editor could not be loaded', async () => {
      const { openEditor } = await import('./editor');
      const code = recipe.value?.code ?? EXAMPLES[0].code;
      editor.current ??= openEditor(place.current!, code, "The controller's JavaScript");
    });
  useEffect(() => {
    if (isOpen && !editor.current) void load();
  }, [isOpen]);

  const failure = notice.value?.from === 'controller' ? notice.value : undefined;
  useEffect(() => {
    editor.current?.mark(failure?.line === undefined ? undefined : { line: failure.line, message: failure.text });
  }, [failure]);

  const run = async (): Promise<void> => {
    if (!editor.current) await load();
    if (!editor.current) return;
    const line = editor.current.syntaxError();
    if (line === undefined) change({ code: editor.current.text() });
    else notice.value = { kind: 'error', from: 'controller', line, text: 'This is not valid JavaScript.' };
  };
  if (!recipe.value) return null;
  return (
    <details
      class="card code"
      open={isOpen}
      onToggle={({ currentTarget }) => {
        open.value = currentTarget.open;
      }}
    >
      <summary>A controller of your own</summary>
      <p class="help">
        The body of a function with the parameters <code>tf</code>, <code>p2p</code> (this library) and{' '}
        <code>prompts</code>. It returns a controller, which reads or changes attention while the edit is made.
      </p>
      <div class="row">
        <label class="select">
          Start from
          <select onChange={({ currentTarget }) => editor.current?.replace(EXAMPLES[Number(currentTarget.value)].code)}>
            {EXAMPLES.map(({ name }, i) => (
              <option key={name} value={i}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="primary" onClick={() => void run()}>
          Run with the edit
        </button>
        {recipe.value.code !== undefined && (
          <button
            type="button"
            onClick={() => {
              open.value = true;
              change({ code: undefined });
            }}
          >
            Remove it
          </button>
        )}
      </div>
      <div ref={place} class="editor" />
      {failure && (
        <p class="failure" role="alert">
          {failure.line === undefined ? '' : `Line ${failure.line}: `}
          {failure.text}
        </p>
      )}
    </details>
  );
}
