"""The pipeline's old `nas_sync`, by way of ytv2d.

Put this in the place of the old module (`ytv2d shim python > nas_sync.py`): whoever imported
`dual_sync_upload`, `sync_content_via_api`, `upload_to_render`, `sync_report_to_render` or
`sync_sqlite_database` calls them as before. The work is done by the running daemon, over its local
socket; what cannot be delivered now stays with it and is delivered later.

Environment:
    YTV2D_SOCKET  the daemon's socket; without it /run/ytv2d/ytv2d.sock, then ./ytv2d.sock
    YTV2D_WAIT    how many seconds to wait for the outcome of an upload (120)
    YTV2D_PATHS   "names" to hand over bare file names: for a container whose reports and exports
                  lie elsewhere than the daemon's

Python 3.8 or later, standard library alone.
"""

import glob
import http.client
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path

__all__ = [
    "dual_sync_upload",
    "sync_content_via_api",
    "sync_report_to_render",
    "sync_sqlite_database",
    "upload_to_render",
]

logger = logging.getLogger(__name__)

# The names that the old result map had for the two kinds of target.
OLD_NAMES = {"dashboard": "postgres", "ingest": "postgres", "legacy": "sqlite"}
DEFAULT_SOCKETS = ("/run/ytv2d/ytv2d.sock", "ytv2d.sock")
DEFAULT_WAIT = 120
# How long a bulk sync may make no progress at all, in seconds.
SYNC_PATIENCE = 120
# What is still on its way, by the daemon's names of states.
ON_THE_WAY = ("due", "in_flight")


class SyncError(Exception):
    """The daemon cannot be asked, or refuses; the text says what to do."""


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("ytv2d", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _socket_path():
    named = os.environ.get("YTV2D_SOCKET")
    if named:
        return named
    return next((path for path in DEFAULT_SOCKETS if os.path.exists(path)), DEFAULT_SOCKETS[0])


def _wait_seconds():
    text = os.environ.get("YTV2D_WAIT", "")
    try:
        return max(0, int(text)) if text else DEFAULT_WAIT
    except ValueError:
        logger.warning("YTV2D_WAIT=%r is no number of seconds; %s is taken", text, DEFAULT_WAIT)
        return DEFAULT_WAIT


def _ask(method, target, body=None, timeout=30):
    path = _socket_path()
    connection = _SocketConnection(path, timeout)
    headers = {"Connection": "close"}
    data = None
    if body is not None:
        data = json.dumps(body).encode("utf-8")
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, target, body=data, headers=headers)
        response = connection.getresponse()
        status, raw = response.status, response.read()
    except PermissionError as error:
        raise SyncError(f"{path}: not allowed; join the group of ytv2d's socket") from error
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise SyncError(
            f"ytv2d is not running, or listens elsewhere than {path}; start it with: "
            "systemctl start ytv2d, or name its socket in YTV2D_SOCKET"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise SyncError(f"ytv2d does not answer at {path}: {error!r}") from error
    finally:
        connection.close()
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if status != 200:
        fault = answer if isinstance(answer, dict) else {}
        words = fault.get("error") or f"ytv2d answers {status}"
        hint = fault.get("hint")
        raise SyncError(f"{words} ({hint})" if hint else words)
    if not isinstance(answer, dict):
        raise SyncError(f"{path}: the answer is not understood; is this ytv2d's socket?")
    return answer


def _handed_over(path):
    path = Path(path)
    if os.environ.get("YTV2D_PATHS", "").lower() == "names":
        return path.name
    return os.path.abspath(str(path))


def _upload(report_path, audio_path):
    wait = _wait_seconds()
    order = {"report": _handed_over(report_path), "wait": wait}
    if audio_path is not None:
        order["audio"] = _handed_over(audio_path)
    return _ask("POST", "/upload", order, timeout=wait + 30)


def _is_there(outcome):
    return isinstance(outcome, dict) and outcome.get("state") == "current"


def _old_target(video_id, pair):
    """One target's part of the old result map: what is true there was delivered."""
    report, audio = pair.get("report"), pair.get("audio")
    result = {"report": None, "audio": None}
    if _is_there(report):
        result["report"] = {"success": True, "upserted": 1, "video_id": video_id}
    if _is_there(audio):
        result["audio"] = {
            "success": True,
            "saved": True,
            "video_id": video_id,
            "public_url": audio.get("public_url"),
        }
    return result


def _reasons(pair):
    for kind in ("report", "audio"):
        outcome = pair.get(kind)
        if outcome and not _is_there(outcome):
            yield f"{kind} {outcome.get('state')}: {outcome.get('reason') or 'no reason given'}"


def dual_sync_upload(report_path, audio_path=None):
    """Deliver a report, and its audio, to every enabled target.

    Returns a map of targets, each with what became of "report" and "audio" (None: not delivered
    yet), when the report is at one of them at least; False otherwise.
    """
    report_path = Path(report_path)
    stem = report_path.stem
    try:
        if not report_path.exists():
            raise SyncError(f"Report file not found: {report_path}")
        if audio_path is not None and not Path(audio_path).exists():
            logger.warning("Audio file not found: %s (continuing without audio)", audio_path)
            audio_path = None
        answer = _upload(report_path, audio_path)
    except SyncError as error:
        logger.error("Dual-sync FAILED for %s: %s", stem, error)
        return False

    video_id = answer.get("id")
    results, done, undone = {}, [], []
    for name, pair in sorted((answer.get("targets") or {}).items()):
        name = OLD_NAMES.get(name, name)
        results[name] = _old_target(video_id, pair)
        (done if results[name]["report"] else undone).append(name)
        for reason in _reasons(pair):
            logger.warning("%s: %s %s", video_id, name, reason)
    if not results:
        logger.warning("No active sync targets for %s", video_id)
        return False
    if not done:
        logger.error("Dual-sync FAILED for %s; ytv2d keeps it and tries again", video_id)
        return False
    if undone:
        logger.warning(
            "Partial sync for %s: %s",
            video_id,
            "; ".join([f"{name}=ok" for name in done] + [f"{name}=fail" for name in undone]),
        )
    else:
        logger.info("Dual-sync SUCCESS for %s (%s)", video_id, ", ".join(done))
    return results


def upload_to_render(report_path, audio_path=None, max_retries=6):
    """Deliver a report and its audio; True when the report is at a target.

    Without an `audio_path`, `./exports/<name of the report>.mp3` is taken if it is there.
    `max_retries` is not needed any more: ytv2d tries until it succeeds.
    """
    if audio_path is None:
        candidate = Path("./exports") / f"{Path(report_path).stem}.mp3"
        audio_path = candidate if candidate.exists() else None
    return bool(dual_sync_upload(report_path, audio_path))


def sync_report_to_render(
    video_id, timestamp, reports_dir="./data/reports", exports_dir="./exports"
):
    """Deliver the report of an id and a timestamp (YYYYMMDD_HHMMSS), and its audio.

    A report under the pipeline's newer names, `<slug>_<id>.json`, is found as well.
    """
    report_path = Path(reports_dir) / f"{video_id}_{timestamp}.json"
    if not report_path.exists():
        pattern = os.path.join(glob.escape(str(reports_dir)), f"*_{glob.escape(video_id)}.json")
        newest = sorted(glob.glob(pattern), key=os.path.getmtime)[-1:]
        if not newest:
            logger.error("Report file not found: %s", report_path)
            return False
        report_path = Path(newest[0])
    audio_path = Path(exports_dir) / f"audio_{video_id}_{timestamp}.mp3"
    if not audio_path.exists():
        logger.warning("Audio file not found: %s (continuing without audio)", audio_path)
        return upload_to_render(report_path)
    return upload_to_render(report_path, audio_path)


def _on_the_way(status):
    """How many items are on their way to targets that take any, or are being written."""
    unsettled = sum(root.get("unsettled", 0) for root in status.get("roots") or [])
    return unsettled + sum(
        (target.get("counts") or {}).get(state, 0)
        for target in status.get("targets") or []
        if target.get("state") not in ("stopped", "paused")
        for state in ON_THE_WAY
    )


def _sent(status):
    """How many bytes of what is under way are sent: a large file is one item all the while."""
    return sum(
        flight.get("done_bytes") or 0
        for target in status.get("targets") or []
        for flight in target.get("in_flight") or []
    )


def sync_content_via_api():
    """Bring every enabled target level with what there is; True when that was done.

    The flags (POSTGRES_ONLY, SQLITE_SYNC_ENABLED and the others) are the daemon's to respect.
    """
    try:
        level = _said_of_sources(_ask("POST", "/sync", timeout=3600))
        least, sent, since, counted = float("inf"), None, time.monotonic(), None
        while True:
            status = _ask("GET", "/status")
            left = _on_the_way(status)
            # The counts may be those of a moment ago: they are to say so twice.
            counted_at = (status.get("outbox") or {}).get("counted_at")
            if left == 0 and counted not in (None, counted_at):
                break
            counted = (counted or counted_at) if left == 0 else None
            sent_now = _sent(status)
            if left < least or sent_now != sent:
                least, sent, since = min(least, left), sent_now, time.monotonic()
            elif left and time.monotonic() - since > SYNC_PATIENCE:
                raise SyncError(f"{left} items are still on their way; ytv2d status says why")
            time.sleep(0.5)
        answer = _ask("POST", "/sync?dry_run=true", timeout=3600)
    except SyncError as error:
        logger.error("API sync error: %s", error)
        return False

    targets = answer.get("targets") or {}
    if not targets:
        logger.warning("No active sync targets")
        return False
    for name, count in sorted(targets.items()):
        failed = sum(count.get(state, 0) for state in ("due", "waiting", "parked"))
        logger.info("%s: %s in sync, %s failed", name, count.get("current", 0), failed)
        if failed:
            logger.warning("%s lacks %s items; ytv2d list says why", name, failed)
            level = False
    for target in status.get("targets") or []:
        if target.get("state") != "up":
            logger.error("%s is %s: %s", target.get("name"), target.get("state"), target.get("why"))
            level = False
    return level


def _said_of_sources(answer):
    """Says which sources could not be read, and whether all could."""
    wrong = [source for source in answer.get("sources") or [] if source.get("error")]
    for source in wrong:
        logger.error("%s: %s", source.get("root"), source.get("error"))
    return not wrong


def sync_sqlite_database():
    """The old name of `sync_content_via_api`."""
    logger.warning("sync_sqlite_database() is deprecated, use sync_content_via_api()")
    return sync_content_via_api()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(levelname)s - %(message)s")
    if len(sys.argv) not in (2, 3):
        sys.exit("Usage: python3 nas_sync.py REPORT.json [AUDIO.mp3]")
    sys.exit(0 if upload_to_render(*sys.argv[1:]) else 1)
