"""The pipeline's own shape of client: one POST a record, then its audio (contract C, D, K).

With `requests` where that is installed, else with what Python brings. Prints each answer's JSON.
"""

import io
import json
import sys
import urllib.request
import uuid

BASE, TOKEN = sys.argv[1:]
HEADERS = {"X-INGEST-TOKEN": TOKEN}

try:
    import requests

    def post_json(path, record):
        reply = requests.post(
            BASE + path,
            json=record,
            headers={**HEADERS, "Content-Type": "application/json"},
            timeout=(5, 30),
        )
        return reply.status_code, reply.json()

    def post_audio(path, video_id, sound):
        reply = requests.post(
            BASE + path,
            data={"video_id": video_id},
            files={"audio": (f"{video_id}.mp3", io.BytesIO(sound), "audio/mpeg")},
            headers=HEADERS,
            timeout=(5, 60),
        )
        return reply.status_code, reply.json()

    def get(path):
        reply = requests.get(BASE + path, timeout=10)
        return reply.status_code, reply.json()

except ImportError:

    def ask(path, body=None, headers={}):
        request = urllib.request.Request(BASE + path, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)

    def post_json(path, record):
        headers = {**HEADERS, "Content-Type": "application/json"}
        return ask(path, json.dumps(record).encode(), headers)

    def post_audio(path, video_id, sound):
        line = uuid.uuid4().hex
        body = (
            f'--{line}\r\nContent-Disposition: form-data; name="video_id"\r\n\r\n{video_id}\r\n'
            f'--{line}\r\nContent-Disposition: form-data; name="audio"; filename="x.mp3"\r\n'
            f"Content-Type: audio/mpeg\r\n\r\n"
        ).encode() + sound + f"\r\n--{line}--\r\n".encode()
        headers = {**HEADERS, "Content-Type": f"multipart/form-data; boundary={line}"}
        return ask(path, body, headers)

    def get(path):
        return ask(path)


answers = [get("/health/ingest")]
for number in range(3):
    video_id = f"py{number}_aB-3xY"
    record = {
        "id": f"yt:{video_id}",
        "video_id": video_id,
        "title": f"Wie Gezeiten wirken, Teil {number} – ü",
        "channel_name": "Sea Lab",
        "published_at": None,
        "indexed_at": "2025-10-20T09:15:00",
        "duration_seconds": 727,
        "word_count": 1200,
        "analysis_json": {"language": "de"},
        "subcategories_json": json.dumps({"categories": [{"category": "Sea", "subcategories": []}]}),
        "summary_variants": [
            {"variant": "comprehensive", "summary_type": "comprehensive", "text": "t", "html": "<p>t</p>"}
        ],
    }
    answers.append(post_json("/ingest/report", record))
    answers.append(post_audio("/ingest/audio", video_id, b"sound" * 1000))
    answers.append(get(f"/{video_id}.json"))
print("requests" if "requests" in sys.modules else "urllib")
print(json.dumps(answers))
