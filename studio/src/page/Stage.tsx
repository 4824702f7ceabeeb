import { signal } from '@preact/signals';
import type { Picture } from 'prompt-to-prompt-tfjs';
import { download, downloads } from './downloads';
import { heat, looks } from './looks';
import { PictureCanvas } from './PictureCanvas';
import { Region } from './Region';
import {
  closePicture,
  draft,
  frames,
  live,
  made,
  model,
  openPicture,
  probe,
  progress,
  recipe,
  result,
  step,
  stop,
} from './state';

const view = signal<'beside' | 'wipe'>('beside');
const divide = signal(50);

/** The source and its edit, and the steps on the way to them. */
export function Stage() {
  if (!model.value || !recipe.value) return null;
  const pictures = shown();
  const isDraft = draft.value !== undefined || (progress.value !== undefined && !live.value);
  return (
    <section class="stage" aria-label="Pictures" data-state={made.value === recipe.value ? 'finished' : 'working'}>
      {view.value === 'beside' ? (
        <div class="pair">
          <Shown of="source" picture={pictures.source} />
          <Shown of="edit" picture={pictures.edit} faded={isDraft} />
        </div>
      ) : (
        <Wipe {...pictures} />
      )}
      <Progress />
      <div class="tools">
        <Steps />
        <Downloads />
        <div class="segments" role="group" aria-label="How to compare">
          <button
            type="button"
            aria-pressed={view.value === 'beside'}
            onClick={() => {
              view.value = 'beside';
            }}
          >
            Side by side
          </button>
          <button
            type="button"
            aria-pressed={view.value === 'wipe'}
            onClick={() => {
              view.value = 'wipe';
            }}
          >
            Wipe
          </button>
        </div>
      </div>
    </section>
  );
}

/** The pictures to show: those of the newest step while they are being made, later those of the selected step. */
function shown(): { source?: Picture; edit?: Picture } {
  const finished = result.value;
  const at = step.value;
  if (at !== undefined && looks.value) {
    const frame = frames.value.find((each) => each.step >= at);
    return { source: frame?.source ?? finished?.source, edit: frame?.edit ?? finished?.edit };
  }
  const now = live.value ?? draft.value;
  return { source: now?.source ?? finished?.source, edit: now?.edit ?? finished?.edit };
}

function Shown({
  of,
  picture,
  faded = false,
}: {
  readonly of: 'source' | 'edit';
  readonly picture?: Picture;
  readonly faded?: boolean;
}) {
  const prompt = of === 'source' ? recipe.value!.source : recipe.value!.target;
  const { width, height } = model.value!;
  const follow = (event: PointerEvent): void => {
    const { left, top, width: wide, height: high } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    probe.value = { of, x: (event.clientX - left) / wide, y: (event.clientY - top) / high };
  };
  return (
    <figure class={`shown of-${of}${faded ? ' faded' : ''}`}>
      <div
        class="frame"
        style={{ aspectRatio: `${width} / ${height}` }}
        onPointerMove={follow}
        onPointerDown={follow}
        onPointerLeave={() => {
          probe.value = undefined;
        }}
      >
        <PictureCanvas
          picture={picture}
          heat={heat.value[of]}
          label={`${of === 'source' ? 'The source' : 'The edit'}: ${prompt}`}
        />
        {of === 'edit' && <Region />}
      </div>
      <figcaption>
        <span class={`tag of-${of}`}>{of === 'source' ? 'Source' : 'Edit'}</span>
        {of === 'source' && <OwnPicture />}
      </figcaption>
    </figure>
  );
}

/** Replaces the source with a picture of the user's own, and back. */
function OwnPicture() {
  if (recipe.value!.picture !== undefined)
    return (
      <button type="button" class="quiet small" onClick={closePicture}>
        Back to a generated picture
      </button>
    );
  return (
    <label class="own">
      Use your own
      <input
        type="file"
        accept="image/*"
        onChange={({ currentTarget: { files } }) => {
          if (files?.[0]) void openPicture(files[0]);
        }}
      />
    </label>
  );
}

function Wipe({ source, edit }: { readonly source?: Picture; readonly edit?: Picture }) {
  const { width, height } = model.value!;
  return (
    <figure class="shown wiped">
      <div class="frame" style={{ aspectRatio: `${width} / ${height}`, '--divide': `${divide.value}%` }}>
        <PictureCanvas picture={source} heat={heat.value.source} label={`The source: ${recipe.value!.source}`} />
        <div class="over">
          <PictureCanvas picture={edit} heat={heat.value.edit} label={`The edit: ${recipe.value!.target}`} />
        </div>
        <input
          type="range"
          class="divider"
          min="0"
          max="100"
          value={divide.value}
          aria-label="How much of the source is shown"
          onInput={({ currentTarget }) => {
            divide.value = Number(currentTarget.value);
          }}
        />
      </div>
      <figcaption>
        <span class="tag of-source">Source</span>
        <span class="tag of-edit">Edit</span>
      </figcaption>
    </figure>
  );
}

function Progress() {
  const now = progress.value;
  return (
    <div class="progress" data-busy={now !== undefined}>
      <progress aria-label="Steps of the picture" max={now?.steps ?? 1} value={now?.step ?? 1} />
      <span class="status" role="status">
        {now ? `Step ${now.step} of ${now.steps}` : result.value ? `Made in ${result.value.seconds.toFixed(1)} s` : ''}
      </span>
      {now && (
        <button type="button" class="quiet" onClick={stop}>
          Stop
        </button>
      )}
    </div>
  );
}

function Downloads() {
  if (!result.value || made.value !== recipe.value) return null;
  return (
    <div class="downloads" role="group" aria-label="Download">
      <span aria-hidden="true">↓</span>
      {downloads.map((each) => (
        <button type="button" class="quiet" key={each.file} onClick={() => void download(each)}>
          {each.label}
        </button>
      ))}
    </div>
  );
}

/** A scrubber over the steps, for pictures and heat alike. */
function Steps() {
  const steps = made.value?.steps ?? recipe.value!.steps;
  const at = step.value;
  return (
    <label class="steps">
      <span>{at === undefined ? 'All steps' : `Step ${at + 1} of ${steps}`}</span>
      <input
        type="range"
        min="1"
        max={steps + 1}
        value={at === undefined ? steps + 1 : at + 1}
        disabled={!looks.value}
        aria-label="Step to show; the last position shows all steps"
        aria-valuetext={at === undefined ? 'all steps' : `step ${at + 1} of ${steps}`}
        onInput={({ currentTarget }) => {
          const value = Number(currentTarget.value);
          step.value = value > steps ? undefined : value - 1;
        }}
      />
    </label>
  );
}
