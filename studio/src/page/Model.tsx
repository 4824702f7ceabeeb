import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { attempt, model, openModel } from './state';

export const modelOpen = signal(false);

type Picker = { showDirectoryPicker?(): Promise<FileSystemDirectoryHandle> };

/** Opens another model, from disk or by URL. */
export function ModelDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (modelOpen.value) dialog.current!.showModal();
    else dialog.current!.close();
  }, [modelOpen.value]);
  const choose = (...[place, backend]: Parameters<typeof openModel>): void => {
    modelOpen.value = false;
    openModel(place, backend);
  };
  const { showDirectoryPicker } = window as Picker;
  const pickFolder = (): Promise<void> =>
    attempt('The folder could not be opened', async () => {
      const folder = await showDirectoryPicker!.call(window).catch(ifNothingPicked);
      if (folder) choose(folder);
    });
  return (
    <dialog
      ref={dialog}
      aria-labelledby="model-title"
      onClose={() => {
        modelOpen.value = false;
      }}
    >
      <h2 id="model-title">The model</h2>
      {model.value && (
        <p>
          <strong>{model.value.name}</strong>, running on{' '}
          {model.value.backend === 'webgpu'
            ? 'WebGPU'
            : `WebAssembly with ${model.value.threads} ${model.value.threads === 1 ? 'thread' : 'threads'}`}
          .
        </p>
      )}
      {model.value?.notes.map((note) => (
        <p key={note} class="help">
          {note}
        </p>
      ))}
      <p class="help">
        Stable Diffusion 1.x and 2.x, in the layout of diffusers or in one .safetensors file. Nothing leaves this
        computer.
      </p>
      <div class="choices">
        <button type="button" onClick={() => choose()}>
          The page’s own model
        </button>
        {showDirectoryPicker ? (
          <button type="button" onClick={() => void pickFolder()}>
            A folder from disk …
          </button>
        ) : (
          <label class="button">
            A folder from disk …
            <input
              type="file"
              {...{ webkitdirectory: true }}
              onChange={({ currentTarget }) => choose([...currentTarget.files!])}
            />
          </label>
        )}
        <label class="button">
          A .safetensors file …
          <input type="file" accept=".safetensors" onChange={({ currentTarget }) => choose(currentTarget.files![0])} />
        </label>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            choose(new URL(new FormData(event.currentTarget).get('address') as string, document.baseURI).href);
          }}
        >
          <label>
            The address of its manifest.json <input type="url" name="address" required placeholder="https://" />
          </label>
          <button type="submit">Open</button>
        </form>
      </div>
      <div class="row end">
        <button
          type="button"
          class="quiet"
          onClick={() => {
            modelOpen.value = false;
          }}
        >
          Close
        </button>
      </div>
    </dialog>
  );
}

/** A rejection because the user picked nothing is none. */
function ifNothingPicked(error: Error): undefined {
  if (error.name !== 'AbortError') throw error;
}
