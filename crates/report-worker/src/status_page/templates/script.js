// Keeps the page as it is on the server: asks for the page itself, and puts in what has changed.
"use strict";

const EVERY_MS = 4000;
const PATIENCE_MS = 12000;
// Without the name and password that somebody may have written into the address: fetch refuses those.
const here = location.origin + location.pathname + location.search;
const silence = document.getElementById("silence");
let timer;

const isChosenIn = (region) => {
  const chosen = getSelection();
  return chosen !== null && !chosen.isCollapsed && region.contains(chosen.anchorNode);
};

const renew = (fresh) => {
  for (const region of document.querySelectorAll("[data-live]")) {
    const newer = fresh.getElementById(region.id);
    // What somebody is about to copy stays until they are done.
    if (newer === null || newer.innerHTML === region.innerHTML || isChosenIn(region)) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    region.className = newer.className;
    region.innerHTML = newer.innerHTML;
    if (focused !== "") document.getElementById(focused)?.focus({ preventScroll: true });
  }
  document.title = fresh.title;
};

const ask = async () => {
  try {
    const answer = await fetch(here, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
    silence.hidden = true;
  } catch {
    silence.hidden = false;
  }
};

const goOn = () => {
  clearTimeout(timer);
  // A tab that nobody sees asks nothing.
  if (document.hidden) return;
  timer = setTimeout(async () => {
    await ask();
    goOn();
  }, EVERY_MS);
};

document.addEventListener("visibilitychange", async () => {
  if (!document.hidden) await ask();
  goOn();
});
goOn();
