-- A listing is read from its newest end.
CREATE INDEX content_newest ON content (indexed_at, video_id);
