import { signal } from '@preact/signals';
import { modelOpen } from './Model';
import { memory, model, notice } from './state';
import { nextTheme, theme } from './theme';

const copied = signal(false);

export function Header() {
  const info = model.value;
  return (
    <header>
      <h1>
        <img src="./icon.svg" alt="" width="28" height="28" /> Prompt-to-Prompt <span>studio</span>
      </h1>
      {info && (
        <button
          type="button"
          class="engine quiet"
          title="Open another model"
          onClick={() => {
            modelOpen.value = true;
          }}
        >
          <span>{info.name}</span>
          <span>
            {info.width}×{info.height}
          </span>
          <span>
            {info.backend === 'webgpu' ? 'WebGPU' : `${info.threads} ${info.threads === 1 ? 'thread' : 'threads'}`}
          </span>
          {memory.value > 0 && <span>{Math.round(memory.value / 2 ** 20)} MB</span>}
        </button>
      )}
      <div class="actions">
        <button type="button" class="quiet" onClick={() => void share()}>
          {copied.value ? 'Link copied' : 'Share'}
        </button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={`Colours: ${theme.value}. Change`}>
          {theme.value === 'dark' ? '◐' : theme.value === 'light' ? '○' : '◑'}
        </button>
      </div>
    </header>
  );
}

async function share(): Promise<void> {
  const link = location.href;
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    notice.value = { kind: 'note', text: 'The browser did not let the page copy the link. Copy it from here:', link };
    return;
  }
  copied.value = true;
  setTimeout(() => {
    copied.value = false;
  }, 2000);
}
