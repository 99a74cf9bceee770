// Elements without a framework.

/**
 * An element; `class`, `title` and the like are attributes, `on…` are listeners, undefined is left out.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | undefined | ((event: Event) => void)>} [attributes]
 * @param {...(Node | string | number | undefined)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== undefined) element.append(child instanceof Node ? child : String(child));
  return element;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element;
}

/**
 * @typedef {{ element: HTMLElement, text: string }} Kept
 * @type {WeakMap<HTMLElement, Map<string, Kept>>}
 */
const kept = new WeakMap();

/**
 * Shows `items` as children of `parent`. An element stays as long as its item's key does and what it shows is the same, so
 * that focus, selection and scrolling survive a refresh.
 * @template T
 * @param {HTMLElement} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => HTMLElement} make
 * @param {() => HTMLElement} empty what stands there when there are no items
 */
export function showList(parent, items, keyOf, make, empty) {
  const before = kept.get(parent) ?? new Map();
  /** @type {Map<string, Kept>} */
  const after = new Map();
  const elements = items.map((item) => {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const old = before.get(key);
    if (old?.text === text) {
      after.set(key, old);
      return old.element;
    }
    const element = make(item);
    // A button that has the focus is kept, and all else around it renewed.
    const focused = old?.element.contains(document.activeElement) ? document.activeElement : null;
    if (old && focused) {
      const twin = element.querySelector("button");
      if (twin) twin.replaceWith(focused);
      old.element.replaceChildren(...element.childNodes);
      after.set(key, { element: old.element, text });
      return old.element;
    }
    after.set(key, { element, text });
    return element;
  });
  kept.set(parent, after);
  const wanted = elements.length > 0 ? elements : [empty()];
  const isSame =
    parent.children.length === wanted.length && wanted.every((element, i) => parent.children[i] === element);
  if (!isSame) parent.replaceChildren(...wanted);
}

/** @param {number} columns @param {string} text */
export const emptyRow = (columns, text) => h("tr", {}, h("td", { class: "empty", colspan: columns }, text));
