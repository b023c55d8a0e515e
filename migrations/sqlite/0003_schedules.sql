-- The timetable: at each tick of a clock, a job.

CREATE TABLE schedules (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner      BLOB    NOT NULL CHECK (length(owner) = 16),
    version    INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('active', 'paused')),
    cron       TEXT    NOT NULL,
    time_zone  TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    args       TEXT,
    priority   INTEGER NOT NULL,
    catch_up   TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    -- Every tick up to here has its job, or was left out.
    done_until INTEGER NOT NULL,
    last_tick  INTEGER,
    last_job   BLOB    CHECK (length(last_job) = 16)
) STRICT;

CREATE INDEX schedules_owner_created ON schedules (owner, created_at, id);
