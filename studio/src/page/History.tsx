import type { Recipe } from '../engine/protocol';
import { PictureCanvas } from './PictureCanvas';
import { history, made, take } from './state';

/** The edits before this one, each with its settings. */
export function History() {
  const past = history.value.filter((each) => each.recipe !== made.value);
  if (past.length === 0) return null;
  return (
    <section class="history" aria-label="Earlier edits">
      <h2>Earlier</h2>
      <ol>
        {past.slice(0, 5).map((each) => (
          <li key={each.recipe}>
            <button type="button" onClick={() => take(each)}>
              <PictureCanvas picture={each.result.edit} label={`The edit: ${each.recipe.target}`} />
              <span>{each.recipe.target}</span>
              <small>{settingsOf(each.recipe)}</small>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

function settingsOf({ keep, weights, seed }: Recipe): string {
  const factors = Object.entries(weights).map(([word, factor]) => `${word} ×${factor}`);
  return [`shape ${Math.round(keep * 100)} %`, ...factors, `seed ${seed}`].join(' · ');
}
