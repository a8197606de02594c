-- A listing counts and passes over what is visible without looking at the summaries. Which variants
-- make a record so is contract C.6.
ALTER TABLE content ADD COLUMN visible INTEGER NOT NULL DEFAULT 0 CHECK (visible IN (0, 1));

UPDATE content SET visible = EXISTS (
    SELECT 1 FROM content_summaries s
     WHERE s.video_id = content.video_id AND s.is_latest = 1 AND s.html IS NOT NULL
       AND s.variant IN ('comprehensive', 'key-points', 'bullet-points', 'executive',
                         'key-insights', 'audio', 'audio-fr', 'audio-es'));

DROP INDEX content_newest;
CREATE INDEX content_visible ON content (indexed_at, video_id) WHERE visible = 1;

-- A text that is replaced is retired first, so that whatever changes ends with one that is added.
CREATE TRIGGER summary_added AFTER INSERT ON content_summaries
BEGIN
    UPDATE content SET visible = EXISTS (
        SELECT 1 FROM content_summaries s
         WHERE s.video_id = NEW.video_id AND s.is_latest = 1 AND s.html IS NOT NULL
           AND s.variant IN ('comprehensive', 'key-points', 'bullet-points', 'executive',
                             'key-insights', 'audio', 'audio-fr', 'audio-es'))
     WHERE video_id = NEW.video_id;
END;
