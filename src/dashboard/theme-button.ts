import { byId } from './dom.js';

const THEMES = ['system', 'light', 'dark'] as const;
const NAMES = { system: 'System', light: 'Light', dark: 'Dark' } as const;
const darkSystem = matchMedia('(prefers-color-scheme: dark)');

/** The style sheet's colours, for what is drawn. */
export interface Colours {
  readonly isDark: boolean;
  readonly ink: string;
  readonly muted: string;
  readonly surface: string;
  readonly accent: string;
  readonly series: string;
}

export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(name).trim();
  const theme = document.documentElement.dataset.theme;
  return {
    isDark: theme === undefined ? darkSystem.matches : theme === 'dark',
    ink: value('--ink'),
    muted: value('--muted'),
    surface: value('--surface'),
    accent: value('--accent'),
    series: value('--series'),
  };
}

/** The button goes round: as the system, light, dark. `onChange` is to draw again. */
export function bindThemeButton(onChange: () => void): void {
  const root = document.documentElement;
  const button = byId<HTMLButtonElement>('theme');
  const show = () => {
    const theme = (root.dataset.theme ?? 'system') as (typeof THEMES)[number];
    byId('theme-name').textContent = NAMES[theme];
    button.setAttribute('aria-label', `Theme: ${NAMES[theme]}`);
    return theme;
  };
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(show()) + 1) % THEMES.length]!;
    if (next === 'system') {
      delete root.dataset.theme;
      localStorage.removeItem('theme');
    } else {
      root.dataset.theme = next;
      localStorage.setItem('theme', next);
    }
    show();
    onChange();
  });
  darkSystem.addEventListener('change', onChange);
  show();
}
