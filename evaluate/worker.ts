/** A process that runs experiments: it receives its setup, then one message per run, and answers each. */
import { experiments } from './experiments';
import { pictures } from './pictures';
import { type Places, type Settings, Studio } from './studio';

export interface Setup {
  readonly places: Places;
  readonly settings: Settings;
  readonly backend: { readonly name: string; readonly threads?: number };
}

export interface Task {
  /** The experiment's name. */
  readonly name: string;
  readonly index: number;
}

let studio: Studio | undefined;

process.on('message', (message: Setup | Task) => {
  void answer(message).then(
    (reply) => process.send!(reply),
    (error: Error) => process.send!({ error: error.message }),
  );
});

async function answer(message: Setup | Task): Promise<unknown> {
  if ('places' in message) {
    const { places, settings, backend } = message;
    studio = await Studio.open(places, settings, backend);
    return studio.backend;
  }
  const experiment = [...experiments, pictures].find(({ name }) => name === message.name)!;
  return experiment.run(studio!, message.index);
}
