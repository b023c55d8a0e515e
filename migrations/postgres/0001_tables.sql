-- The tables of litink on PostgreSQL, and what keeps their rows true.
--
-- `public` holds the rows, which REST interfaces may show as the next migration allows; `litink`
-- holds what is litink's own affair, and no interface shows it.

CREATE SCHEMA IF NOT EXISTS litink;
REVOKE ALL ON SCHEMA litink FROM PUBLIC;
GRANT USAGE ON SCHEMA litink TO service_role;

-- Written by each migration itself, so that it holds whoever applies them.
CREATE TABLE litink.migrations (
    version    integer     NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Rows ---------------------------------------------------------------------------------------
--
-- A row belongs to a row of the same owner: hence the foreign keys of two columns. Their columns
-- lead the indexes by which a list of one parent's rows is read, so that one index serves both.
-- `owner` refers to no table: who there is, is not decided here.

CREATE TABLE public.books (
    id            uuid        NOT NULL PRIMARY KEY,
    owner         uuid        NOT NULL,
    version       bigint      NOT NULL CHECK (version >= 1),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    state         text        NOT NULL CHECK (state IN ('importing', 'ready')),
    title         text        NOT NULL,
    authors       jsonb       NOT NULL,
    language      text,
    identifier    text,
    publisher     text,
    published     text,
    description   text,
    format        text        NOT NULL,
    file_name     text        NOT NULL,
    file_key      text        NOT NULL,
    file_bytes    bigint      NOT NULL,
    content_hash  text        NOT NULL,
    cover_key     text,
    chapter_count bigint      NOT NULL,
    char_count    bigint      NOT NULL,
    warnings      jsonb       NOT NULL,
    visibility    text        NOT NULL CHECK (visibility IN ('private', 'published')),
    UNIQUE (id, owner)
);

CREATE INDEX books_owner_created ON public.books (owner, created_at, id);
CREATE INDEX books_published ON public.books (created_at, id) WHERE visibility = 'published';
CREATE INDEX books_state_updated ON public.books (state, updated_at);

CREATE TABLE public.chapters (
    id         uuid        NOT NULL PRIMARY KEY,
    owner      uuid        NOT NULL,
    version    bigint      NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    book_id    uuid        NOT NULL,
    position   bigint      NOT NULL,
    kind       text        NOT NULL,
    number     bigint,
    title      text,
    section    text,
    char_count bigint      NOT NULL,
    blocks     jsonb,
    FOREIGN KEY (book_id, owner) REFERENCES public.books (id, owner) ON DELETE CASCADE
);

CREATE INDEX chapters_parent_position ON public.chapters (book_id, owner, position, id);
CREATE INDEX chapters_parent_created ON public.chapters (book_id, owner, created_at, id);
CREATE INDEX chapters_owner_created ON public.chapters (owner, created_at, id);

CREATE TABLE public.runs (
    id              uuid        NOT NULL PRIMARY KEY,
    owner           uuid        NOT NULL,
    version         bigint      NOT NULL CHECK (version >= 1),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    book_id         uuid        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('running', 'completed', 'failed', 'cancelled')),
    recipe          text        NOT NULL,
    options         jsonb       NOT NULL,
    idempotency_key text,
    step_count      bigint      NOT NULL,
    error           jsonb,
    finished_at     timestamptz,
    UNIQUE (id, owner),
    FOREIGN KEY (book_id, owner) REFERENCES public.books (id, owner) ON DELETE CASCADE
);

CREATE INDEX runs_parent_created ON public.runs (book_id, owner, created_at, id);
CREATE INDEX runs_owner_created ON public.runs (owner, created_at, id);
CREATE INDEX runs_state_updated ON public.runs (state, updated_at);

CREATE TABLE public.steps (
    id         uuid        NOT NULL PRIMARY KEY,
    owner      uuid        NOT NULL,
    version    bigint      NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    run_id     uuid        NOT NULL,
    position   bigint      NOT NULL,
    key        text        NOT NULL,
    kind       text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    waiting_on bigint      NOT NULL,
    unlocks    jsonb       NOT NULL,
    chapter_id uuid,
    weight     bigint      NOT NULL,
    attempt    bigint      NOT NULL,
    input      jsonb,
    output     jsonb,
    error      jsonb,
    crashes    bigint      NOT NULL,
    audio_ms   bigint      NOT NULL,
    FOREIGN KEY (run_id, owner) REFERENCES public.runs (id, owner) ON DELETE CASCADE
);

CREATE INDEX steps_parent_position ON public.steps (run_id, owner, position, id);
CREATE INDEX steps_parent_created ON public.steps (run_id, owner, created_at, id);
CREATE INDEX steps_owner_created ON public.steps (owner, created_at, id);
CREATE INDEX steps_waiting ON public.steps (run_id, owner, waiting_on, position, id);
CREATE INDEX steps_state_updated ON public.steps (state, updated_at);

CREATE TABLE public.generations (
    id          uuid        NOT NULL PRIMARY KEY,
    owner       uuid        NOT NULL,
    version     bigint      NOT NULL CHECK (version >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    state       text        NOT NULL CHECK (state IN ('started', 'pending', 'completed', 'failed', 'held')),
    fingerprint text        NOT NULL,
    provider    text        NOT NULL,
    model       text,
    modality    text        NOT NULL,
    run_id      uuid,
    step_id     uuid,
    attempt     bigint      NOT NULL,
    operation   jsonb,
    output      jsonb,
    usage       jsonb,
    cost_nanos  bigint,
    request_id  text,
    error       jsonb
);

CREATE INDEX generations_owner_created ON public.generations (owner, created_at, id);
CREATE INDEX generations_run ON public.generations (run_id, created_at, id);
CREATE INDEX generations_step ON public.generations (step_id, created_at, id);
CREATE INDEX generations_state_updated ON public.generations (state, updated_at);

CREATE TABLE public.exports (
    id           uuid        NOT NULL PRIMARY KEY,
    owner        uuid        NOT NULL,
    version      bigint      NOT NULL CHECK (version >= 1),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    run_id       uuid        NOT NULL,
    position     bigint      NOT NULL,
    format       text        NOT NULL,
    file_name    text        NOT NULL,
    media_type   text        NOT NULL,
    storage_key  text        NOT NULL,
    bytes        bigint      NOT NULL,
    content_hash text        NOT NULL,
    duration_ms  bigint,
    FOREIGN KEY (run_id, owner) REFERENCES public.runs (id, owner) ON DELETE CASCADE
);

CREATE INDEX exports_parent_position ON public.exports (run_id, owner, position, id);
CREATE INDEX exports_parent_created ON public.exports (run_id, owner, created_at, id);
CREATE INDEX exports_owner_created ON public.exports (owner, created_at, id);

CREATE TABLE public.accounts (
    id            uuid        NOT NULL PRIMARY KEY,
    owner         uuid        NOT NULL,
    version       bigint      NOT NULL CHECK (version >= 1),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    state         text        NOT NULL CHECK (state IN ('active', 'disabled')),
    email         text        NOT NULL,
    password_hash text        NOT NULL,
    failures      bigint      NOT NULL,
    locked_until  timestamptz
);

CREATE INDEX accounts_owner_created ON public.accounts (owner, created_at, id);

CREATE TABLE public.sessions (
    id            uuid        NOT NULL PRIMARY KEY,
    owner         uuid        NOT NULL,
    version       bigint      NOT NULL CHECK (version >= 1),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    state         text        NOT NULL CHECK (state IN ('active', 'revoked')),
    token_hash    text        NOT NULL,
    previous_hash text,
    rotated_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);

CREATE INDEX sessions_owner_created ON public.sessions (owner, created_at, id);
-- Whoever writes a row, litink or a person at an editor: the version rises, the times are the
-- store's, and id, owner and time of creation stay. So optimistic locking sees every edit.
CREATE FUNCTION litink.stamp() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        new.version := 1;
        new.created_at := clock_timestamp();
        new.updated_at := new.created_at;
    ELSE
        new.id := old.id;
        new.owner := old.owner;
        new.version := old.version + 1;
        new.created_at := old.created_at;
        new.updated_at := greatest(clock_timestamp(), old.updated_at);
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION litink.stamp() FROM PUBLIC;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'books', 'chapters', 'runs', 'steps', 'generations', 'exports', 'accounts', 'sessions'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER litink_stamp BEFORE INSERT OR UPDATE ON public.%I
             FOR EACH ROW EXECUTE FUNCTION litink.stamp()', name);
    END LOOP;
END $$;

-- The outcomes of commits that came with a key, so that a repetition changes nothing.
CREATE TABLE litink.commits (
    -- The user whose commit it was, or nil: nobody learns of another's commits by guessing.
    actor      uuid        NOT NULL,
    key        uuid        NOT NULL,
    -- The call that applied it: when its answer was lost, it knows its own commit by this.
    call       uuid,
    outcome    jsonb,
    -- Two days from the commit, one more than promised; minutes where the key was made for the
    -- sake of a lost answer alone.
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);

CREATE INDEX commits_expires ON litink.commits (expires_at);

INSERT INTO litink.migrations (version, name) VALUES (1, 'tables');
