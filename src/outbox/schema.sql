-- The outbox: what each target should hold, and what it is known to hold. Pending is the
-- difference; nothing here says "in flight".

-- A thing to deliver: the report of an id, or its audio.
CREATE TABLE item (
    id         INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL,           -- 0 report, 1 audio
    content    TEXT    NOT NULL,           -- the id, as the dashboard stores it
    want       BLOB    NOT NULL,           -- the version that targets should hold
    want_no    INTEGER NOT NULL,           -- its number, which only grows (X-Ytv2-Version)
    changed_ms INTEGER NOT NULL,           -- when the file that made it so changed
    source     INTEGER,                    -- the newest file that stands for it, which gives the
                                           --   fields; NULL: none does
    indexed_ms INTEGER NOT NULL,           -- the date of a report whose file has none
    seconds    INTEGER,                    -- length of the audio, when it could be read
    UNIQUE (kind, content)
) STRICT;
-- The listing shows the latest change first.
CREATE INDEX item_changed ON item (changed_ms);
-- Audio names carry the id without its prefix. Most have none, and are found as they are.
CREATE INDEX item_bare ON item (substr(content, instr(content, ':') + 1))
    WHERE kind = 0 AND instr(content, ':');

-- A file that was looked at, so that it need not be read again until its stamp changes.
CREATE TABLE file (
    id       INTEGER PRIMARY KEY,
    root     INTEGER NOT NULL,             -- 0 reports, 1 exports, 2 rows of the old database
    name     BLOB    NOT NULL,             -- any bytes that the file system allows; a row's key
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    item     INTEGER REFERENCES item (id), -- NULL: has a problem, or audio without its report yet
    made_ms  INTEGER,                      -- when the content was made
    digest   BLOB,                         -- of a report's fields, or of an audio file's bytes
    variants BLOB,                         -- of a report: its summaries (see `summaries`)
    seconds  INTEGER,                      -- of an audio file
    stands_ms INTEGER,                     -- since when it stands for its item; NULL: it is one of
                                           --   those that a newer one has left behind
    problem  TEXT,                         -- why nothing is delivered of it
    cure     INTEGER NOT NULL DEFAULT 0,   -- what ends the problem: 0 another file, 1 other
                                           -- circumstances, 2 nothing needs to: it is not for us,
                                           -- 3 it was deleted at the dashboard, and is moved away
    standing INTEGER NOT NULL GENERATED ALWAYS AS ( -- 0 a part of an item, 1 cannot be delivered,
        iif(item IS NOT NULL, 0,           -- 2 is not for us, 3 audio without its report yet
            iif(problem IS NULL, 3, iif(cure = 2, 2, 1)))
    ) VIRTUAL,
    UNIQUE (root, name)
) STRICT;
CREATE INDEX file_item ON file (item) WHERE item IS NOT NULL;
CREATE INDEX file_problem ON file (root) WHERE problem IS NOT NULL;
CREATE INDEX file_odd ON file (ctime_ns) WHERE item IS NULL;

-- What an audio file's name may mean: a bare id, or the stem of its report's file. Which of them it
-- does changes with the reports.
CREATE TABLE audio_key (
    key   TEXT    NOT NULL,
    file  INTEGER NOT NULL REFERENCES file (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,                -- 0 the likeliest
    PRIMARY KEY (key, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX audio_key_file ON audio_key (file);

-- Which roots were looked through once: what is there before that may be adopted.
CREATE TABLE first_run (
    root INTEGER PRIMARY KEY               -- 0 reports, 1 exports
) STRICT;

-- By which rules the files of a root were read. Under others they are read again.
CREATE TABLE reading (
    root  INTEGER PRIMARY KEY,             -- 0 reports, 1 exports
    rules TEXT NOT NULL
) STRICT;

CREATE TABLE target (
    id        INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    paused_ms INTEGER                      -- since when nothing is sent there, by order; NULL: it is
) STRICT;

-- How one target stands with one item.
CREATE TABLE delivery (
    target     INTEGER NOT NULL REFERENCES target (id),
    item       INTEGER NOT NULL REFERENCES item (id),
    state      INTEGER NOT NULL,           -- 0 current, 1 due, 2 waits for its report, 3 parked,
                                           -- 4 vanished, 5 dropped by order, or
                                           -- deleted there
    due_ms     INTEGER NOT NULL DEFAULT 0, -- when to try (state 1); since when (3, 5); 0 where
                                           --   it is current
    failures   INTEGER NOT NULL DEFAULT 0, -- in a row, of the version that is wanted now
    strikes    INTEGER NOT NULL DEFAULT 0, -- those of them that speak against the item
    error      TEXT,                       -- the last failure since the last success
    known      BLOB,                       -- the version it acknowledged last; NULL: none yet
    known_no   INTEGER,                    -- its number; NULL: adopted, or something else was sent
                                           --   since, and nobody knows what became of that
    acked_ms   INTEGER,
    action     TEXT,                       -- what that was there: created, updated or unchanged
    fields     BLOB,                       -- digest of the fields that it surely has
    taken      BLOB,                       -- the summaries it surely has, as in file.variants
    public_url TEXT,                       -- where it serves the audio
    warning    TEXT,                       -- what it acknowledged without doing
    PRIMARY KEY (target, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (target, due_ms) WHERE state = 1;
CREATE INDEX delivery_item ON delivery (item);

-- Items that were deleted at the dashboard. They stay away until a file says something of them that
-- none of those did that were deleted, or until an operator orders one to be sent.
CREATE TABLE grave (
    item      INTEGER PRIMARY KEY REFERENCES item (id),
    buried_ms INTEGER NOT NULL,
    held      TEXT    NOT NULL             -- digests of whatever its files said: a JSON array
) STRICT;

-- What became of the latest attempts, whosever they were: the answer to "why is it not there". The
-- oldest make room.
CREATE TABLE attempt (
    id      INTEGER PRIMARY KEY,           -- grows with time
    target  INTEGER NOT NULL REFERENCES target (id),
    item    INTEGER NOT NULL REFERENCES item (id),
    at_ms   INTEGER NOT NULL,
    outcome INTEGER NOT NULL,              -- 0 delivered, 1 failed, 2 parked, 3 superseded,
                                           -- 4 its file had changed
    status  INTEGER,                       -- of HTTP; NULL: no answer came
    words   TEXT                           -- the target's, or ours about why there are none
) STRICT;
CREATE INDEX attempt_item ON attempt (item);

-- Audio that was handed over with its report, whatever its name says.
CREATE TABLE pair (
    name    BLOB NOT NULL PRIMARY KEY,     -- of a file in exports
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
