-- How much there is of what, kept by triggers, so that nobody has to count a million rows.

CREATE TABLE tally (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    state  INTEGER NOT NULL,               -- as in delivery
    items  INTEGER NOT NULL,
    warned INTEGER NOT NULL,               -- those of them with a warning
    PRIMARY KEY (target, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER delivery_added AFTER INSERT ON delivery BEGIN
    INSERT INTO tally VALUES (NEW.target, NEW.state, 1, NEW.warning IS NOT NULL)
    ON CONFLICT DO UPDATE SET items = items + 1, warned = warned + excluded.warned;
END;

CREATE TRIGGER delivery_changed AFTER UPDATE OF target, state, warning ON delivery
WHEN (OLD.target, OLD.state, OLD.warning IS NULL) <> (NEW.target, NEW.state, NEW.warning IS NULL)
BEGIN
    UPDATE tally SET items = items - 1, warned = warned - (OLD.warning IS NOT NULL)
    WHERE target = OLD.target AND state = OLD.state;
    INSERT INTO tally VALUES (NEW.target, NEW.state, 1, NEW.warning IS NOT NULL)
    ON CONFLICT DO UPDATE SET items = items + 1, warned = warned + excluded.warned;
END;

CREATE TRIGGER delivery_removed AFTER DELETE ON delivery BEGIN
    UPDATE tally SET items = items - 1, warned = warned - (OLD.warning IS NOT NULL)
    WHERE target = OLD.target AND state = OLD.state;
END;

CREATE TABLE file_tally (
    root     INTEGER NOT NULL,             -- as in file
    standing INTEGER NOT NULL,             -- as in file
    files    INTEGER NOT NULL,
    PRIMARY KEY (root, standing)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER file_added AFTER INSERT ON file BEGIN
    INSERT INTO file_tally VALUES (NEW.root, NEW.standing, 1)
    ON CONFLICT DO UPDATE SET files = files + 1;
END;

CREATE TRIGGER file_changed AFTER UPDATE OF root, item, problem, cure ON file
WHEN (OLD.root, OLD.standing) <> (NEW.root, NEW.standing)
BEGIN
    UPDATE file_tally SET files = files - 1 WHERE root = OLD.root AND standing = OLD.standing;
    INSERT INTO file_tally VALUES (NEW.root, NEW.standing, 1)
    ON CONFLICT DO UPDATE SET files = files + 1;
END;

CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
    UPDATE file_tally SET files = files - 1 WHERE root = OLD.root AND standing = OLD.standing;
END;
