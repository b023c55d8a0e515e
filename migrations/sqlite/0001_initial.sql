-- The tables of litink on SQLite.
--
-- Differs from PostgreSQL because SQLite has few types: a UUID is a BLOB of 16 bytes, a point in
-- time an INTEGER of microseconds since 1970 in UTC, JSON is TEXT, a boolean an INTEGER of 0 or 1.
-- Who may see a row is decided by litink alone; SQLite has no row-level security.

-- Rows ---------------------------------------------------------------------------------------

CREATE TABLE books (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner         BLOB    NOT NULL CHECK (length(owner) = 16),
    version       INTEGER NOT NULL CHECK (version >= 1),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('importing', 'ready')),
    title         TEXT    NOT NULL,
    authors       TEXT    NOT NULL,
    language      TEXT,
    identifier    TEXT,
    publisher     TEXT,
    published     TEXT,
    description   TEXT,
    format        TEXT    NOT NULL,
    file_name     TEXT    NOT NULL,
    file_key      TEXT    NOT NULL,
    file_bytes    INTEGER NOT NULL,
    content_hash  TEXT    NOT NULL,
    cover_key     TEXT,
    chapter_count INTEGER NOT NULL,
    char_count    INTEGER NOT NULL,
    warnings      TEXT    NOT NULL,
    visibility    TEXT    NOT NULL CHECK (visibility IN ('private', 'published'))
) STRICT;

CREATE INDEX books_owner_created ON books (owner, created_at, id);
CREATE INDEX books_state_updated ON books (state, updated_at);

CREATE TABLE chapters (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner      BLOB    NOT NULL CHECK (length(owner) = 16),
    version    INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    book_id    BLOB    NOT NULL REFERENCES books (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    number     INTEGER,
    title      TEXT,
    section    TEXT,
    char_count INTEGER NOT NULL,
    blocks     TEXT
) STRICT;

CREATE INDEX chapters_parent_position ON chapters (book_id, position, id);
CREATE INDEX chapters_parent_created ON chapters (book_id, created_at, id);
CREATE INDEX chapters_owner_created ON chapters (owner, created_at, id);

CREATE TABLE runs (
    id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner           BLOB    NOT NULL CHECK (length(owner) = 16),
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    book_id         BLOB    NOT NULL REFERENCES books (id) ON DELETE CASCADE,
    state           TEXT    NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
    recipe          TEXT    NOT NULL,
    options         TEXT    NOT NULL,
    idempotency_key TEXT,
    step_count      INTEGER NOT NULL,
    error           TEXT,
    finished_at     INTEGER
) STRICT;

CREATE INDEX runs_parent_created ON runs (book_id, created_at, id);
CREATE INDEX runs_owner_created ON runs (owner, created_at, id);
CREATE INDEX runs_state_updated ON runs (state, updated_at);

CREATE TABLE steps (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner       BLOB    NOT NULL CHECK (length(owner) = 16),
    version     INTEGER NOT NULL CHECK (version >= 1),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    run_id      BLOB    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (
        state IN ('pending', 'running', 'completed', 'failed')
    ),
    waiting_on  INTEGER NOT NULL,
    unlocks     TEXT    NOT NULL,
    chapter_id  BLOB    CHECK (length(chapter_id) = 16),
    weight      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    input       TEXT,
    output      TEXT,
    error       TEXT,
    crashes     INTEGER NOT NULL,
    audio_ms    INTEGER NOT NULL
) STRICT;

CREATE INDEX steps_waiting ON steps (run_id, waiting_on, position, id);
CREATE INDEX steps_parent_position ON steps (run_id, position, id);
CREATE INDEX steps_parent_created ON steps (run_id, created_at, id);
CREATE INDEX steps_owner_created ON steps (owner, created_at, id);
CREATE INDEX steps_state_updated ON steps (state, updated_at);

CREATE TABLE generations (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner       BLOB    NOT NULL CHECK (length(owner) = 16),
    version     INTEGER NOT NULL CHECK (version >= 1),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (
        state IN ('started', 'pending', 'completed', 'failed', 'held')
    ),
    fingerprint TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    model       TEXT,
    modality    TEXT    NOT NULL,
    run_id      BLOB    CHECK (length(run_id) = 16),
    step_id     BLOB    CHECK (length(step_id) = 16),
    attempt     INTEGER NOT NULL,
    operation   TEXT,
    output      TEXT,
    usage       TEXT,
    cost_nanos  INTEGER,
    request_id  TEXT,
    error       TEXT
) STRICT;

CREATE INDEX generations_run ON generations (run_id, created_at, id);
CREATE INDEX generations_step ON generations (step_id, created_at, id);
CREATE INDEX generations_owner_created ON generations (owner, created_at, id);
CREATE INDEX generations_state_updated ON generations (state, updated_at);

CREATE TABLE exports (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner        BLOB    NOT NULL CHECK (length(owner) = 16),
    version      INTEGER NOT NULL CHECK (version >= 1),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    run_id       BLOB    NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    format       TEXT    NOT NULL,
    file_name    TEXT    NOT NULL,
    media_type   TEXT    NOT NULL,
    storage_key  TEXT    NOT NULL,
    bytes        INTEGER NOT NULL,
    content_hash TEXT    NOT NULL,
    duration_ms  INTEGER
) STRICT;

CREATE INDEX exports_parent_position ON exports (run_id, position, id);
CREATE INDEX exports_parent_created ON exports (run_id, created_at, id);
CREATE INDEX exports_owner_created ON exports (owner, created_at, id);

CREATE TABLE accounts (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner         BLOB    NOT NULL CHECK (length(owner) = 16),
    version       INTEGER NOT NULL CHECK (version >= 1),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'disabled')),
    email         TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    failures      INTEGER NOT NULL,
    locked_until  INTEGER
) STRICT;

CREATE INDEX accounts_owner_created ON accounts (owner, created_at, id);

CREATE TABLE sessions (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner         BLOB    NOT NULL CHECK (length(owner) = 16),
    version       INTEGER NOT NULL CHECK (version >= 1),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'revoked')),
    token_hash    TEXT    NOT NULL,
    previous_hash TEXT,
    rotated_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_owner_created ON sessions (owner, created_at, id);

-- The outcomes of commits that came with a key, so that a repetition changes nothing. Kept two
-- days, one more than promised.
CREATE TABLE commits (
    -- The user whose commit it was, or empty: nobody learns of another's commits by guessing.
    actor   BLOB    NOT NULL CHECK (length(actor) IN (0, 16)),
    key     BLOB    NOT NULL CHECK (length(key) = 16),
    outcome TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX commits_at ON commits (at);

-- Jobs ---------------------------------------------------------------------------------------

-- One life of one worker. Its row goes when it is closed, or when it expired and all that it held
-- was rescued.
CREATE TABLE job_sessions (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    worker     TEXT    NOT NULL,
    opened_at  INTEGER NOT NULL,
    -- How long it lives without a heartbeat, in microseconds.
    lease      INTEGER NOT NULL,
    -- Moved on by each heartbeat; by then without one, the session is lost.
    expires_at INTEGER NOT NULL,
    -- The number of its last turn.
    turn       INTEGER NOT NULL
) STRICT;

CREATE INDEX job_sessions_expires ON job_sessions (expires_at);

CREATE TABLE jobs (
    -- Age: the order of insertion.
    seq              INTEGER NOT NULL PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    group_id         BLOB    CHECK (length(group_id) = 16),
    kind             TEXT    NOT NULL,
    tenant           BLOB    CHECK (length(tenant) = 16),
    priority         INTEGER NOT NULL,
    state            TEXT    NOT NULL CHECK (
        state IN (
            'available', 'scheduled', 'running', 'retryable',
            'completed', 'cancelled', 'discarded'
        )
    ),
    attempt          INTEGER NOT NULL CHECK (attempt >= 0),
    max_attempts     INTEGER NOT NULL,
    crashes          INTEGER NOT NULL CHECK (crashes >= 0),
    max_crashes      INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    -- Not before this; once available, since when.
    scheduled_at     INTEGER NOT NULL,
    finished_at      INTEGER,
    -- The holder while running, else null. Deliberately no foreign key: the end of a session is
    -- followed by the rescue of what it held, not by its removal.
    session          BLOB    CHECK (length(session) = 16),
    -- Rises with each lease.
    token            INTEGER NOT NULL,
    -- The turn of its session in which it was leased.
    turn             INTEGER NOT NULL,
    -- The last settle that was accepted, so that a repetition of it is accepted, too.
    settled_by       BLOB    CHECK (length(settled_by) = 16),
    settled_token    INTEGER,
    settled_as       TEXT,
    -- While running: 0 no, 1 to be stopped and its worker has not heard of it, 2 it has.
    cancel           INTEGER NOT NULL CHECK (cancel IN (0, 1, 2)),
    idempotency_key  TEXT,
    trace            TEXT,
    -- The long ones last, so that nobody reads through them to the others.
    error            TEXT,
    args             TEXT    NOT NULL,
    CHECK ((state = 'running') = (session IS NOT NULL)),
    CHECK (state = 'running' OR cancel = 0),
    CHECK ((state IN ('completed', 'cancelled', 'discarded')) = (finished_at IS NOT NULL))
) STRICT;

-- Partial indexes, one for each question, so that each costs nothing for the other states and
-- leasing costs the same before a million waiting jobs as before ten.
CREATE INDEX jobs_available ON jobs (kind, priority DESC, scheduled_at, seq)
    WHERE state = 'available';
CREATE INDEX jobs_due ON jobs (scheduled_at)
    WHERE state IN ('scheduled', 'retryable');
CREATE INDEX jobs_held ON jobs (session, cancel)
    WHERE state = 'running';
CREATE INDEX jobs_discarded ON jobs (seq)
    WHERE state = 'discarded';
CREATE INDEX jobs_finished ON jobs (finished_at)
    WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_group ON jobs (group_id, seq)
    WHERE group_id IS NOT NULL;
CREATE INDEX jobs_tenant ON jobs (tenant, seq)
    WHERE tenant IS NOT NULL;
CREATE UNIQUE INDEX jobs_live_key ON jobs (kind, idempotency_key, ifnull(tenant, x''))
    WHERE idempotency_key IS NOT NULL
    AND state IN ('available', 'scheduled', 'running', 'retryable');

CREATE TABLE paused_kinds (
    kind      TEXT    NOT NULL PRIMARY KEY,
    paused_at INTEGER NOT NULL
) STRICT;
