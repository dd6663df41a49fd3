// Measures the page it is put into, and leaves the figures in a comment at its end.
const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
// Relative luminance and contrast ratio: WCAG 2.2, definitions.
const linear = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const background = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const found = { width: innerWidth, widest: 0, height: 0, contrast: 21, faintest: "", wide: "" };
found.images_missing = [...document.images].filter((image) => !image.complete || !image.naturalWidth).length;
const fetched = performance.getEntriesByType("resource").map((entry) => entry.name);
found.fetched = fetched.filter((name) => !name.startsWith("data:"));
found.height = Math.ceil(document.documentElement.scrollHeight);
for (const element of document.body.querySelectorAll("*:not(script)")) {
  const box = element.getBoundingClientRect();
  if (!box.width || !box.height) continue;
  if (Math.floor(box.right) > found.widest) {
    found.widest = Math.floor(box.right);
    found.wide = `${element.tagName} ${element.className} “${element.textContent.trim().slice(0, 40)}”`;
  }
  const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
  const texts = [[own.map((node) => node.data.trim()).join(""), null], [element.dataset.label, "::before"]];
  for (const [text, pseudo] of texts) {
    const style = getComputedStyle(element, pseudo);
    if (!text || (pseudo && style.content === "none")) continue;
    const contrast = ratio(luminance(numbers(style.color)), luminance(background(element)));
    if (contrast < found.contrast) Object.assign(found, { contrast, faintest: text });
  }
}
found.widest = Math.max(found.widest, document.documentElement.scrollWidth);
const told = JSON.stringify(found).replaceAll("-->", "");
document.documentElement.append(document.createComment(`measured ${told}`));
