/** The element with that id, which the page has. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (!element) throw new Error(`No element #${id}.`);
  return element as E;
}

type Properties<E> = Partial<Omit<E, 'style' | 'children' | 'attributes'>> & {
  attributes?: Record<string, string>;
};

/** An element with properties, attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { attributes, ...properties }: Properties<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Shows `text` in the element, or hides it where there is none. */
export function say(element: HTMLElement, text: string | undefined): void {
  element.hidden = text === undefined;
  element.textContent = text ?? '';
}

/** A table with a header row; cells that are numbers are right-aligned by the style sheet. */
export function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly (Node | string)[])[],
): HTMLElement {
  const head = make('tr', {}, ...columns.map((name) => make('th', { scope: 'col' }, name)));
  const body = rows.map((cells) => make('tr', {}, ...cells.map((cell) => make('td', {}, cell))));
  const element = make(
    'table',
    {},
    make('caption', { className: 'visually-hidden' }, caption),
    make('thead', {}, head),
    make('tbody', {}, ...body),
  );
  // Wide tables scroll inside themselves, by keyboard too.
  return make(
    'div',
    { className: 'scroll', tabIndex: 0, attributes: { role: 'region', 'aria-label': caption } },
    element,
  );
}
