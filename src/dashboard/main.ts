import { byId } from './dom.js';
import { Explorer } from './explorer.js';
import { History } from './history.js';
import { teachEngine } from './lessons.js';
import { Runs } from './runs.js';
import { bindSignIn } from './sign-in.js';
import { bindThemeButton } from './theme-button.js';

const PAGES = ['explore', 'runs', 'history'] as const;
type Page = (typeof PAGES)[number];

const explorer = new Explorer((query) => {
  history.replaceState(null, '', query === '' ? '#explore' : `#explore?${query}`);
});
const runs = new Runs();
const records = new History();

/** Shows the page that the address names. */
function route(): void {
  const [name = '', query = ''] = location.hash.slice(1).split('?');
  const page: Page = PAGES.find((known) => known === name) ?? 'explore';
  for (const other of PAGES) byId(other).hidden = other !== page;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#${page}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (page === 'explore') {
    if (query !== explorer.query) explorer.query = query;
    // Without the service's lessons the priors answer, and the page says so.
    teachEngine()
      .catch(() => {})
      .finally(() => explorer.update());
  }
  if (page === 'runs') void runs.open();
  if (page === 'history') void records.open();
}

bindThemeButton(() => {
  explorer.draw();
  runs.draw();
  records.draw();
});
bindSignIn(() => location.reload());
addEventListener('hashchange', route);
explorer.update();
route();
