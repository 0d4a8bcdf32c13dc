// Walks everything that is visible and says what a cashier at 80 cm could not read, reach or see.
// Returns a list of sentences; empty when all is well.

const TEXT_PX = 20;
const TARGET_PX = 56;
const CONTRAST = 7;
const GAP_PX = 8;
const found = [];
const name = (node) => `${node.tagName.toLowerCase()}.${String(node.getAttribute("class") ?? "").trim().replaceAll(" ", ".")} "${node.textContent.trim().slice(0, 40)}"`;

const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const known = new Map();

function channels(color) {
  if (!known.has(color)) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    known.set(color, [...canvas.getImageData(0, 0, 1, 1).data]);
  }
  return known.get(color);
}

function luminance([r, g, b]) {
  const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function ground(node) {
  for (let at = node; at; at = at.parentElement) {
    const color = channels(getComputedStyle(at).backgroundColor);
    if (color[3] === 255) return color;
  }
  return [255, 255, 255, 255];
}

function contrast(node) {
  const [one, two] = [luminance(channels(getComputedStyle(node).color)), luminance(ground(node))];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}

function cutOnPurpose(node) {
  const style = getComputedStyle(node);
  return style.webkitLineClamp !== "none" || style.textOverflow === "ellipsis";
}

const spoken = document.getElementById("spoken");
const visible = (node) => node.checkVisibility() && !spoken.contains(node) && !node.closest(".sprite");
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const view = { width: innerWidth, height: innerHeight };

for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const node = text.parentElement;
  if (!text.data.trim() || !visible(node)) continue;
  const style = getComputedStyle(node);
  if (parseFloat(style.fontSize) < TEXT_PX) found.push(`text of ${style.fontSize}: ${name(node)}`);
  const ratio = contrast(node);
  if (ratio < CONTRAST) found.push(`contrast ${ratio.toFixed(2)}: ${name(node)}`);
  const range = document.createRange();
  range.selectNodeContents(text);
  for (const box of range.getClientRects()) {
    if (node.closest("h1.long") === null && (box.left < -1 || box.top < -1 || box.right > view.width + 1 || box.bottom > view.height + 1)) found.push(`outside the window: ${name(node)}`);
    for (let at = node; at && at !== document.body; at = at.parentElement) {
      if (cutOnPurpose(at)) break;
      if (!/hidden|clip|auto|scroll/.test(getComputedStyle(at).overflow)) continue;
      const frame = at.getBoundingClientRect();
      const slack = 0.12 * box.height + 1;
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - slack || box.bottom > frame.bottom + slack) found.push(`clipped by ${at.className}: ${name(node)}`);
    }
  }
}

for (const node of document.querySelectorAll("body *")) {
  if (!visible(node) || node.closest("svg")) continue;
  if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 && getComputedStyle(node).display !== "inline" && !cutOnPurpose(node)) found.push(`wider than its box by ${node.scrollWidth - node.clientWidth}: ${name(node)}`);
}

const targets = [...document.querySelectorAll("button")].filter(visible);
for (const target of targets) {
  const box = target.getBoundingClientRect();
  if (box.width < TARGET_PX || box.height < TARGET_PX) found.push(`target of ${box.width.toFixed(0)} x ${box.height.toFixed(0)}: ${name(target)}`);
  if (box.right > view.width || box.bottom > view.height || box.left < 0) found.push(`target outside the window: ${name(target)}`);
}

const keys = [...document.querySelectorAll(".keys button, .pad button")].filter(visible);
for (const one of keys) for (const other of keys) {
  if (one === other || one.parentElement !== other.parentElement) continue;
  const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
  const sideways = Math.max(a.left - b.right, b.left - a.right);
  const upright = Math.max(a.top - b.bottom, b.top - a.bottom);
  if (Math.max(sideways, upright) < GAP_PX - 0.5) found.push(`targets too close: ${name(one)} and ${name(other)}`);
}

for (const [one, other] of [["top", "stage"], ["strip", "stage"], ["stage", "keys"]]) {
  const [a, b] = [document.getElementById(one), document.getElementById(other)].map((node) => node.getBoundingClientRect());
  if (a.height && a.bottom > b.top + 1) found.push(`${one} lies over ${other}`);
}

return [...new Set(found)];
