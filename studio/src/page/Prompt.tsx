import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { looksAtPointer, places } from './looks';
import { kindOf, rebased, type Slot, targetOf, wordAt, wordsOf } from './slots';
import { change, drag, hovered, kind, model, pinned, recipe, settle, slots } from './state';

/** The slot whose panel is open, or the place at which a word is being added. */
const open = signal<{ readonly at: number; readonly adding: boolean } | undefined>(undefined);

/** The two prompts: the source as a line of text, the target as chips. */
export function Prompt() {
  if (!recipe.value) return null;
  const { source, target } = recipe.value;
  return (
    <section class="prompt" aria-label="Prompts">
      <label class="source">
        <span class="tag of-source">Picture</span>
        <input
          key={source}
          type="text"
          defaultValue={source}
          spellcheck={false}
          autocomplete="off"
          aria-label="What the picture shows"
          onChange={({ currentTarget: { value } }) => {
            const text = wordsOf(value).join(' ');
            if (text !== '' && text !== source) change({ source: text, target: rebased(source, target, text) });
          }}
        />
      </label>
      <div class="target">
        <span class="tag of-edit">becomes</span>
        <div class="chips" role="group" aria-label="The edited prompt, word by word">
          {slots.value.map((slot, at) => (
            <Chip key={at} slot={slot} at={at} />
          ))}
          <AddButton at={slots.value.length} />
        </div>
        <Kind />
      </div>
      {open.value && <WordPanel />}
    </section>
  );
}

function Chip({ slot, at }: { readonly slot: Slot; readonly at: number }) {
  const kind = kindOf(slot);
  const word = slot.target ?? slot.source!;
  const look = looksAtPointer.value?.[at] ?? 0;
  const isOpen = open.value?.at === at && !open.value.adding;
  const blended = isBlended(at);
  return (
    <>
      <AddButton at={at} />
      <div
        class={`chip ${kind.replace(' ', '-')}${pinned.value === at ? ' pinned' : ''}${blended ? ' blended' : ''}`}
        style={{ '--look': look.toFixed(3) }}
        onPointerEnter={() => {
          hovered.value = at;
        }}
        onPointerLeave={() => {
          hovered.value = undefined;
        }}
      >
        <button
          type="button"
          class="word"
          aria-expanded={isOpen}
          onFocus={() => {
            hovered.value = at;
          }}
          onBlur={() => {
            hovered.value = undefined;
          }}
          onClick={() => {
            open.value = isOpen ? undefined : { at, adding: false };
          }}
        >
          <Words slot={slot} />
        </button>
        {slot.target !== undefined && <Weight at={at} word={word} />}
      </div>
    </>
  );
}

/** A slot's words, with hidden text for screen readers where colours and lines carry meaning. */
function Words({ slot: { source, target } }: { readonly slot: Slot }) {
  if (target === undefined) {
    return (
      <span>
        <s>{source}</s>
        <span class="unseen"> left out</span>
      </span>
    );
  }
  if (source === target) return <span>{target}</span>;
  return (
    <>
      {source !== undefined && <s>{source}</s>}
      {source !== undefined && <span class="unseen"> becomes </span>}
      <span>
        {target}
        {source === undefined && <span class="unseen"> added</span>}
      </span>
    </>
  );
}

/** The target's word at a slot, by the name that weights use. */
function targetWord(at: number): string {
  return wordAt(wordsOf(recipe.value!.target), places.value[at].target!);
}

function Weight({ at, word }: { readonly at: number; readonly word: string }) {
  const key = targetWord(at);
  const factor = recipe.value!.weights[key] ?? 1;
  const set = (value: number): void => {
    const { [key]: _, ...others } = recipe.value!.weights;
    drag({ weights: Math.abs(value - 1) < 0.04 ? others : { ...others, [key]: value } });
  };
  return (
    <span class={`weight${factor === 1 ? '' : ' set'}`}>
      <input
        type="range"
        min="-1"
        max="3"
        step="0.05"
        value={factor}
        aria-label={`How strongly ${word} counts`}
        style={{ '--at': (factor + 1) / 4 }}
        onInput={({ currentTarget }) => set(Number(currentTarget.value))}
        onChange={settle}
        onDblClick={() => {
          set(1);
          settle();
        }}
      />
      {factor !== 1 && <output>×{String(factor).replace('-', '−')}</output>}
    </span>
  );
}

function AddButton({ at }: { readonly at: number }) {
  const isOpen = open.value?.at === at && open.value.adding;
  const before = slots.value[at];
  return (
    <button
      type="button"
      class="add"
      aria-expanded={isOpen}
      aria-label={before ? `Add a word before ${before.target ?? before.source}` : 'Add a word at the end'}
      onClick={() => {
        open.value = isOpen ? undefined : { at, adding: true };
      }}
    >
      <span aria-hidden="true">+</span>
    </button>
  );
}

/** The paper's names for the kinds of edits. */
const METHODS = {
  replace: "The source's attention, word by word: the paper's word swap",
  redescribe: "The source's attention, word by word: the paper's word swap, as it suits words that describe",
  refine: "The source's attention where both prompts have the word: the paper's prompt refinement",
  reweight: "The source's attention, stronger or weaker: the paper's re-weighting",
};

/** What kind of edit the two prompts make. */
function Kind() {
  const kinds = new Set(slots.value.map(kindOf));
  const weighted = Object.keys(recipe.value!.weights).length > 0;
  const parts = [
    kinds.has('swapped') && 'word swap',
    kinds.has('added') && 'word added',
    kinds.has('left out') && 'word left out',
    weighted && 're-weighted',
    recipe.value!.blend.length > 0 && 'kept to a region',
    recipe.value!.mask && 'masked',
    recipe.value!.code && 'own controller',
  ].filter(Boolean);
  const method = METHODS[kind.value];
  return (
    <span class="kind" title={method} aria-live="polite">
      {parts.length > 0 ? parts.join(' · ') : 'no change yet: click a word'}
    </span>
  );
}

/** Function words, left out of the list of known words. */
const PARTICLES = new Set([
  'an',
  'the',
  'is',
  'its',
  'in',
  'on',
  'at',
  'by',
  'of',
  'to',
  'with',
  'and',
  'next',
  'side',
]);

/** The actions for a word, placed in the page's flow so that the panel fits anywhere. */
function WordPanel() {
  const { at, adding } = open.value!;
  const slot = adding ? undefined : slots.value[at];
  const input = useRef<HTMLInputElement>(null);
  const typed = signal('');
  useEffect(() => {
    input.current?.focus();
  }, [at, adding]);
  if (!adding && !slot) return null;

  const close = (): void => {
    open.value = undefined;
  };
  const replaceSlot = (next: Slot): void => {
    const all = adding ? slots.value.toSpliced(at, 0, next) : slots.value.with(at, next);
    change({ target: targetOf(all) || recipe.value!.target });
    close();
  };
  const put = (text: string): void => {
    const word = wordsOf(text).join(' ');
    if (word !== '') replaceSlot({ source: slot?.source, target: word });
  };
  const known = (model.value?.words ?? []).filter((word) => !PARTICLES.has(word) && word !== slot?.target);
  return (
    <div
      class="panel"
      role="group"
      aria-label={adding ? 'Add a word' : `The word ${slot!.target ?? slot!.source}`}
      onKeyDown={({ key }) => {
        if (key === 'Escape') close();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          put(input.current!.value);
        }}
      >
        <label>
          {adding ? 'Add' : slot!.target === undefined ? 'Bring back as' : 'Swap for'}
          <input
            ref={input}
            type="text"
            list="known-words"
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => {
              typed.value = currentTarget.value;
            }}
          />
        </label>
        <datalist id="known-words">
          {known.map((word) => (
            <option key={word} value={word} />
          ))}
        </datalist>
        <button type="submit" class="primary">
          {adding ? 'Add' : 'Swap'}
        </button>
      </form>
      {!adding && (
        <div class="actions">
          {slot!.target !== undefined && slots.value.filter(({ target }) => target !== undefined).length > 1 && (
            <button type="button" onClick={() => replaceSlot({ source: slot!.source })}>
              {slot!.source === undefined ? 'Remove' : 'Leave out'}
            </button>
          )}
          {slot!.source !== undefined && slot!.source !== slot!.target && (
            <button type="button" onClick={() => replaceSlot({ source: slot!.source, target: slot!.source })}>
              Back to “{slot!.source}”
            </button>
          )}
          <button type="button" aria-pressed={isBlended(at)} onClick={() => toggleBlend(at)}>
            Keep the edit to where it looks
          </button>
          <button
            type="button"
            aria-pressed={pinned.value === at}
            onClick={() => {
              pinned.value = pinned.value === at ? undefined : at;
            }}
          >
            Show where it looks
          </button>
        </div>
      )}
      {known.length > 0 && (
        <div class="known" role="group" aria-label="Words that the model knows">
          {known.map((word) => (
            <button type="button" key={word} onClick={() => put(word)}>
              {word}
            </button>
          ))}
        </div>
      )}
      <button type="button" class="close" aria-label="Close" onClick={close}>
        ×
      </button>
    </div>
  );
}

/** The words of both prompts for a slot; if a prompt has none there, its nearest word. */
function pairAt(at: number): readonly [string, string] | undefined {
  const both = recipe.value!;
  const nearest = (side: 'source' | 'target'): number | undefined => {
    const order = [...slots.value.keys()].sort((a, b) => Math.abs(a - at) - Math.abs(b - at) || b - a);
    return order.map((each) => places.value[each][side]).find((place) => place !== undefined);
  };
  const [source, target] = [nearest('source'), nearest('target')];
  if (source === undefined || target === undefined) return undefined;
  return [wordAt(wordsOf(both.source), source), wordAt(wordsOf(both.target), target)];
}

function isBlended(at: number): boolean {
  const pair = pairAt(at);
  return pair !== undefined && recipe.value!.blend.some(([source, target]) => source === pair[0] && target === pair[1]);
}

export function toggleBlend(at: number): void {
  const pair = pairAt(at);
  if (!pair) return;
  const others = recipe.value!.blend.filter(([source, target]) => source !== pair[0] || target !== pair[1]);
  change({ blend: others.length < recipe.value!.blend.length ? others : [...others, pair] });
}
