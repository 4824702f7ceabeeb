import type { ComponentChild } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ControllerEditor } from './ControllerEditor';
import { Controls } from './Controls';
import { Header } from './Header';
import { History } from './History';
import { Layers } from './Layers';
import { ModelDialog } from './Model';
import { Prompt } from './Prompt';
import { Stage } from './Stage';
import { loading, type Notice, notice, recipe } from './state';

export function App() {
  return (
    <>
      <Header />
      <ModelDialog />
      <main>
        {notice.value && notice.value.from !== 'controller' && <Message {...notice.value} />}
        {loading.value && <Loading />}
        {recipe.value && (
          <InTurn>
            <Prompt />
            <div class="bench">
              <InTurn>
                <Stage />
                <Controls />
              </InTurn>
            </div>
            <History />
            <Layers />
            <ControllerEditor />
          </InTurn>
        )}
      </main>
    </>
  );
}

/**
 * Renders its parts one after another, one per frame, because rendering all at once would noticeably block the page's
 * thread.
 */
function InTurn({ children }: { readonly children: readonly ComponentChild[] }) {
  const [count, setCount] = useState(1);
  useEffect(() => {
    if (count < children.length) setCount(count + 1);
  }, [count]);
  return <>{children.slice(0, count)}</>;
}

function Message({ kind, text, link, again }: Notice) {
  const close = (): void => {
    notice.value = undefined;
  };
  return (
    <p class={`notice ${kind}`} role="alert">
      <span>{text}</span>
      {link && (
        <input readOnly value={link} aria-label="The link" onFocus={({ currentTarget }) => currentTarget.select()} />
      )}
      <span class="actions">
        {again && (
          <button
            type="button"
            onClick={() => {
              close();
              again();
            }}
          >
            Try again
          </button>
        )}
        <button type="button" class="quiet" onClick={close}>
          Dismiss
        </button>
      </span>
    </p>
  );
}

function Loading() {
  const { what, share } = loading.value!;
  return (
    <div class="loading" role="status">
      <span>{what} …</span>
      <progress aria-label={what} max={1} value={share} />
    </div>
  );
}
