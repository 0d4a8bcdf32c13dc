// Elements from data. Text only ever becomes a text node: nothing that is shown can be read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `attributes`: class, hidden, disabled, …; `onclick` a listener; `style` an object of CSS properties.
 *  Children: nodes, strings, arrays of them; null and false are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(node, name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === false || value === null || value === undefined) return;
  if (name === "onclick") node.addEventListener("click", value);
  else if (name === "style") for (const [property, text] of Object.entries(value)) node.style.setProperty(property, text);
  else node.setAttribute(name, value === true ? "" : value);
}

/** A picture from the sprite in index.html. */
export function icon(name, more = "") {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("class", `i ${more}`.trim());
  node.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  node.append(use);
  return node;
}

/** A key of the keyboard as it is printed on its cap. */
export function cap(text) {
  return el("span", { class: "cap", "aria-hidden": "true" }, text);
}
