"""The pipeline's own shape of client: one POST a record, then its audio (contract C, D, K).

Prints each answer's status and JSON.
"""

import io
import json
import sys

import requests

BASE, TOKEN = sys.argv[1:]
HEADERS = {"X-INGEST-TOKEN": TOKEN}


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
print(json.dumps(answers))
