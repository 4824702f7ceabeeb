import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import '@fontsource/inter/latin-600.css';
import './style.css';
import { render } from 'preact';
import { App } from './page/App';
import { acceptDrops } from './page/drop';
import { openModel } from './page/state';

render(<App />, document.getElementById('studio')!);
acceptDrops();
openModel();
if (import.meta.env.PROD && 'serviceWorker' in navigator)
  void navigator.serviceWorker.register('./sw.js').catch(() => undefined); // Without it the page needs its server.
