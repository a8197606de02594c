"use strict";

// Which cards are on the page. Events are hints that something has changed; what is true is asked
// for.

const SIZE = 20;
const at = (id) => document.getElementById(id);
const cards = at("cards");
const shown = new Map(); // by id: the card's element, and the report it was made from

let pages = 1;
let asking = null; // what aborts the question under way
let again = false; // something has happened since it was asked
let first = true; // nothing has been shown yet for this search

async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  again = false;
  const reports = new Map();
  let total = 0;
  let more = false;
  try {
    for (let page = 1; page <= pages; page += 1) {
      const query = new URLSearchParams({ page, size: SIZE });
      if (at("q").value.trim()) query.set("q", at("q").value.trim());
      if (at("audio").checked) query.set("has_audio", "true");
      const answer = await fetch(`api/reports?${query}`, { signal: mine.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const listing = await answer.json();
      for (const report of listing.reports) reports.set(report.video_id, report);
      total = listing.pagination.total;
      more = listing.pagination.has_next;
      if (!more) break;
    }
  } catch (error) {
    // Whoever aborted it asks again; what failed is asked again by the clock.
    if (mine.signal.aborted) return;
    asking = null;
    say("The server does not answer. It is asked again in a moment.");
    later(5000);
    return;
  }
  show([...reports.values()]);
  at("count").textContent = total === 1 ? "1 report" : `${total} reports`;
  at("more").hidden = !more;
  const searching = at("q").value.trim() || at("audio").checked;
  const none = searching ? "Nothing matches." : "Nothing yet. Reports appear here as they arrive.";
  say(total === 0 ? none : "");
  first = false;
  asking = null;
  if (again) soon();
}

let timer = 0;

/// Asks once, however often this is called meanwhile.
function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(ask, milliseconds);
}

let due = false;

/// Asks for what an event told of. A burst of them must neither put the question off nor interrupt
/// it for as long as it lasts.
function soon() {
  if (asking) {
    again = true;
  } else if (!due) {
    due = true;
    setTimeout(() => {
      due = false;
      if (asking) again = true;
      else ask();
    }, 100);
  }
}

function say(text) {
  at("nothing").textContent = text;
  at("nothing").hidden = text === "";
}

/// Brings the cards level with the reports, and touches no card that need not change: moving an
/// audio player would stop it.
function show(reports) {
  const ids = new Set(reports.map((report) => report.video_id));
  for (const [id, { card }] of shown) {
    if (!ids.has(id)) {
      card.remove();
      shown.delete(id);
    }
  }
  let place = cards.firstElementChild;
  for (const report of reports) {
    const known = shown.get(report.video_id);
    const text = JSON.stringify(report);
    const card = known?.card ?? at("card").content.firstElementChild.cloneNode(true);
    if (known?.text !== text) {
      shown.set(report.video_id, { card, text });
      if (!first) arrive(card);
    }
    if (card === place) place = place.nextElementSibling;
    else cards.insertBefore(card, place);
    if (known?.text !== text) fill(card, report);
  }
}

function arrive(card) {
  card.classList.remove("arrived");
  void card.offsetWidth; // so that the animation begins anew
  card.classList.add("arrived");
}

setInterval(() => {
  for (const time of document.querySelectorAll("time")) time.textContent = ago(time.dateTime);
}, 60000);

function search() {
  const query = new URLSearchParams();
  if (at("q").value.trim()) query.set("q", at("q").value.trim());
  if (at("audio").checked) query.set("audio", "1");
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  pages = 1;
  first = true;
}

at("q").addEventListener("input", () => {
  search();
  later(200);
});
at("audio").addEventListener("change", () => {
  search();
  later(0);
});
at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  later(0);
});
at("more").addEventListener("click", () => {
  pages += 1;
  first = true;
  later(0);
});

let events = null;

function follow() {
  events?.close();
  events = new EventSource("api/report-events");
  const live = at("live");
  events.onopen = () => {
    live.textContent = "live";
    live.classList.add("on");
    soon();
  };
  events.onerror = () => {
    live.textContent = "reconnecting";
    live.classList.remove("on");
    // Most failures it gets over by itself. A refusal ends it.
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(() => document.hidden || follow(), 5000);
    }
  };
  for (const name of ["report-added", "audio-added", "report-deleted", "events-missed"]) {
    events.addEventListener(name, soon);
  }
}

addEventListener("resize", () => {
  for (const { card } of shown.values()) offer(card);
});

// A page that nobody sees needs no connection: a browser has six of them for all its tabs.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) events?.close();
  else follow();
});

const asked = new URLSearchParams(location.search);
at("q").value = asked.get("q") ?? "";
at("audio").checked = asked.get("audio") === "1";
ask();
if (!document.hidden) follow();
