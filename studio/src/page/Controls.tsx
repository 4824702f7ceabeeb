import type { Recipe, SamplerName, Shares } from '../engine/protocol';
import { PictureCanvas } from './PictureCanvas';
import { RegionFold } from './Region';
import { SAMPLERS } from './recipe';
import { askForStrip, change, drag, recipe, settle, shares, strip } from './state';

/** The settings of the edit: one slider, and in folds the settings behind it. */
export function Controls() {
  if (!recipe.value) return null;
  return (
    <section class="controls" aria-label="How the edit is made">
      <Keep />
      <Advanced />
      <RegionFold />
      <PictureFold />
    </section>
  );
}

/** Moving the slider clears the shares set individually. */
const NONE = { cross: undefined, self: undefined, context: undefined };

function Keep() {
  const { keep, cross, self, context } = recipe.value!;
  const byHand = [cross, self, context].some((share) => share !== undefined);
  return (
    <div class={`keep${byHand ? ' by-hand' : ''}`}>
      <label>
        <span class="name">Keep the shape</span>
        <input
          type="range"
          min="0"
          max="1"
          step="0.01"
          value={keep}
          style={{ '--at': keep }}
          aria-valuetext={`${Math.round(keep * 100)} percent${byHand ? ', with custom settings' : ''}`}
          onInput={({ currentTarget }) => drag({ ...NONE, keep: Number(currentTarget.value) })}
          onChange={settle}
        />
      </label>
      <div class="ends">
        <span>a fresh picture</span>
        <span>{byHand ? 'custom' : ''}</span>
        <span>the same layout</span>
      </div>
      <Strip />
    </div>
  );
}

/** The same edit at five slider positions. */
function Strip() {
  const ask = (): void =>
    askForStrip([0, 0.25, 0.5, 0.75, 1].map((keep) => ({ keep, recipe: { ...recipe.value!, ...NONE, keep } })));
  if (strip.value.length === 0)
    return (
      <button type="button" class="quiet" onClick={ask}>
        Show five strengths
      </button>
    );
  return (
    <div class="strip" role="group" aria-label="Five strengths, as drafts">
      {strip.value.map(({ keep, recipe: each, picture }) => (
        <button
          type="button"
          key={keep}
          aria-label={`Keep the shape: ${keep * 100} percent`}
          onClick={() => change(each)}
        >
          <PictureCanvas picture={picture} label={`The edit at ${keep * 100} percent`} />
        </button>
      ))}
    </div>
  );
}

const SHARES: readonly { readonly name: keyof Shares; readonly label: string; readonly help: string }[] = [
  {
    name: 'cross',
    label: 'Where words look',
    help: "Share of the steps in which the edit takes the source's cross-attention",
  },
  {
    name: 'self',
    label: 'Shapes and layout',
    help: "Share of the steps in which the edit takes the source's self-attention",
  },
  {
    name: 'context',
    label: 'What words mean',
    help: "Share of the steps in which words of both prompts keep the meaning they had in the source's sentence",
  },
];

function Advanced() {
  return (
    <details class="fold">
      <summary>Advanced</summary>
      {SHARES.map(({ name, label, help }) => (
        <Slider
          key={name}
          label={`${label} (${name})`}
          help={help}
          value={shares.value[name]}
          min={0}
          max={1}
          step={0.01}
          show={(value) => `${Math.round(value * 100)} %`}
          onInput={(value) => drag({ [name]: value })}
        />
      ))}
    </details>
  );
}

function PictureFold() {
  const { seed, steps, guidance, sampler } = recipe.value!;
  return (
    <details class="fold">
      <summary>The picture</summary>
      <div class="row">
        <label>
          Seed
          <input
            type="number"
            min="0"
            step="1"
            value={seed}
            onChange={({ currentTarget }) => setNumber('seed', currentTarget, 0, 2 ** 53 - 1)}
          />
        </label>
        <button type="button" onClick={() => change({ seed: Math.floor(Math.random() * 100_000) })}>
          Another
        </button>
      </div>
      <Slider
        label="Steps"
        help="More steps take longer and are more exact"
        value={steps}
        min={4}
        max={50}
        step={1}
        show={String}
        onInput={(value) => drag({ steps: value })}
      />
      <Slider
        label="Guidance"
        help="How strongly the prompt is followed"
        value={guidance}
        min={1}
        max={12}
        step={0.5}
        show={String}
        onInput={(value) => drag({ guidance: value })}
      />
      <label class="select">
        Sampler
        <select
          value={sampler}
          onChange={({ currentTarget }) => change({ sampler: currentTarget.value as SamplerName })}
        >
          {Object.entries(SAMPLERS).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
    </details>
  );
}

function setNumber(name: keyof Recipe, input: HTMLInputElement, least: number, most: number): void {
  const value = Math.round(Number(input.value));
  if (input.value !== '' && value >= least && value <= most) change({ [name]: value });
  else input.value = String(recipe.value![name]);
}

interface SliderProps {
  readonly label: string;
  readonly help: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly show: (value: number) => string;
  readonly onInput: (value: number) => void;
}

export function Slider({ label, help, value, min, max, step, show, onInput }: SliderProps) {
  return (
    <label class="slider" title={help}>
      <span>{label}</span>
      <output>{show(value)}</output>
      <input
        type="range"
        aria-label={label} // The element around it labels the output, which comes first.
        aria-valuetext={show(value)}
        min={min}
        max={max}
        step={step}
        value={value}
        style={{ '--at': (value - min) / (max - min) }}
        onInput={({ currentTarget }) => onInput(Number(currentTarget.value))}
        onChange={settle}
      />
    </label>
  );
}
