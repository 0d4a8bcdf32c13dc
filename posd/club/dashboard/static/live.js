// Keeps the overview fresh: the server says "changed", the page asks for itself again and swaps its middle part.
"use strict";

const page = document.getElementById("page");
const AGES_MS = 10_000; // "sent 3 s ago" grows old even when nothing happens
const GATHER_MS = 80;   // several sales at once are one refresh

let busy = false;
let again = false;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  again = false;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) swap(await answer.text());
  } catch (error) {
    document.body.classList.add("lost"); // the stream says when the club is back
  } finally {
    busy = false;
    if (again) refresh();
  }
}

function swap(html) {
  const known = new Set(Array.from(page.querySelectorAll("[data-sale]"), (row) => row.dataset.sale));
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("page");
  for (const row of fresh.querySelectorAll("[data-sale]")) {
    row.classList.toggle("fresh", !known.has(row.dataset.sale));
  }
  page.replaceChildren(...fresh.childNodes);
}

let gathering = 0;
function soon() {
  clearTimeout(gathering);
  gathering = setTimeout(refresh, GATHER_MS);
}

const news = new EventSource("/live");
news.addEventListener("changed", soon);
news.onopen = () => { document.body.classList.remove("lost"); soon(); };
news.onerror = () => document.body.classList.add("lost");
setInterval(() => { if (!document.hidden) refresh(); }, AGES_MS);
