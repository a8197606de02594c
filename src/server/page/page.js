"use strict";

// Events are hints that something has changed; what is true is asked for. Everything that a report
// says goes onto the page as text, never as markup.

const SIZE = 20;
const HUES = 8;
const outside = document.documentElement.dataset.pictures === "outside";
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

function fill(card, report) {
  const part = (name) => card.querySelector(name);
  card.dataset.id = report.video_id;
  const channel = report.channel || "(unknown)";
  part(".channel").textContent = channel;
  part(".source").textContent = report.source_label;
  part("time").dateTime = report.indexed_at;
  part("time").title = new Date(report.indexed_at).toLocaleString();
  part("time").textContent = ago(report.indexed_at);

  const title = part(".title");
  const address = web(report.canonical_url);
  if (address) {
    const link = document.createElement("a");
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    link.textContent = report.title;
    title.replaceChildren(link);
  } else {
    title.textContent = report.title;
  }

  const summary = part(".summary");
  const fold = part(".fold");
  summary.textContent = (report.summary_text || "").trim();
  offer(card);
  fold.onclick = () => {
    const open = summary.classList.toggle("open");
    fold.textContent = open ? "Read less" : "Read all";
    fold.setAttribute("aria-expanded", open);
  };

  picture(part(".picture"), channel, report);
  part(".length").textContent = clock(report.duration_seconds);
  sound(part(".sound"), report);
}

/// Offers the rest of a summary that does not fit.
function offer(card) {
  const summary = card.querySelector(".summary");
  if (summary.classList.contains("open")) return;
  card.querySelector(".fold").hidden = summary.scrollHeight <= summary.clientHeight + 2;
}

/// The picture of a report, where it may be loaded; else the channel's initial, always in the same
/// colour.
function picture(place, channel, report) {
  let sum = 0;
  for (const c of channel) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  place.className = `picture hue-${sum % HUES}`;
  place.querySelector(".initial").textContent = initial(channel);
  place.querySelector("img")?.remove();
  const wanted = [report.analysis?.summary_image_url, report.thumbnail_url].map(web);
  const address = wanted.find((found) => found && (outside || own(found)));
  if (!address) return;
  const image = document.createElement("img");
  image.alt = "";
  image.loading = "lazy";
  image.referrerPolicy = "no-referrer";
  image.onerror = () => image.remove();
  image.src = address;
  place.querySelector(".initial").after(image);
}

/// The first letter or digit: of r/kitchens the k.
function initial(channel) {
  const letter = channel.replace(/^r[/]/u, "").match(/[\p{L}\p{N}]/u);
  return letter ? letter[0].toUpperCase() : "?";
}

function sound(place, report) {
  const address = report.media?.has_audio ? web(report.media.audio_url) : null;
  place.hidden = !address;
  if (!address) {
    place.replaceChildren();
  } else if (!own(address)) {
    const link = document.createElement("a");
    link.href = address;
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    link.textContent = "Audio, kept elsewhere";
    place.replaceChildren(link);
  } else if (place.querySelector("audio")?.src !== address) {
    const player = document.createElement("audio");
    player.controls = true;
    player.preload = "none";
    player.src = address;
    place.replaceChildren(player);
  }
}

/// A whole address of the web, or null: `javascript:` and the like are none.
function web(text) {
  if (!text || typeof text !== "string") return null;
  try {
    const url = new URL(text, document.baseURI);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

function own(address) {
  return new URL(address).origin === location.origin;
}

function clock(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return "";
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function ago(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["now"];
  return unit === "now" ? "just now" : words.format(Math.round(seconds / length), unit);
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
