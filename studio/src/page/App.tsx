import { ControllerEditor } from './ControllerEditor';
import { Controls } from './Controls';
import { Header } from './Header';
import { History } from './History';
import { Layers } from './Layers';
import { ModelDialog } from './Model';
import { Prompt } from './Prompt';
import { Stage } from './Stage';
import { loading, type Notice, notice } from './state';

export function App() {
  return (
    <>
      <Header />
      <ModelDialog />
      <main>
        {notice.value && notice.value.from !== 'controller' && <Message {...notice.value} />}
        {loading.value && <Loading />}
        <Prompt />
        <div class="bench">
          <Stage />
          <Controls />
        </div>
        <History />
        <Layers />
        <ControllerEditor />
      </main>
    </>
  );
}

function Message({ kind, text, again }: Notice) {
  const close = (): void => {
    notice.value = undefined;
  };
  return (
    <p class={`notice ${kind}`} role="alert">
      <span>{text}</span>
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
