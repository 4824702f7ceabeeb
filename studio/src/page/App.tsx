import { ControllerEditor } from './ControllerEditor';
import { Controls } from './Controls';
import { Header } from './Header';
import { History } from './History';
import { Layers } from './Layers';
import { ModelDialog } from './Model';
import { Prompt } from './Prompt';
import { Stage } from './Stage';
import { loading, notice } from './state';

export function App() {
  return (
    <>
      <Header />
      <ModelDialog />
      <main>
        {notice.value && notice.value.from !== 'controller' && (
          <p class={`notice ${notice.value.kind}`} role="alert">
            {notice.value.text}{' '}
            <button
              type="button"
              class="quiet"
              onClick={() => {
                notice.value = undefined;
              }}
            >
              Dismiss
            </button>
          </p>
        )}
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

function Loading() {
  const { what, share } = loading.value!;
  return (
    <div class="loading" role="status">
      <span>{what} …</span>
      <progress aria-label={what} max={1} value={share} />
    </div>
  );
}
