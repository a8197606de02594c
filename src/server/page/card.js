"use strict";

// What is on a card. Everything that a report says goes onto it as text, never as markup.

const HUES = 8;
const outside = document.documentElement.dataset.pictures === "outside";

/// Brings a card level with its report.
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
