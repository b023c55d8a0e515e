-- Limits by key, and turns between tenants.

-- The keys that a job is under, a JSON array, sorted; null for none.
ALTER TABLE jobs ADD COLUMN limits TEXT;
-- Jobs of one kind and lane have the same tenant and limits: all of them may begin, or none.
ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL
    GENERATED ALWAYS AS (hex(ifnull(tenant, x'')) || ifnull(limits, '')) VIRTUAL;

DROP INDEX jobs_available;
CREATE INDEX jobs_available ON jobs (kind, lane, priority DESC, scheduled_at, seq)
    WHERE state = 'available';

CREATE TABLE job_limits (
    key             TEXT    NOT NULL PRIMARY KEY,
    -- At most so many at once; null for any number.
    concurrency     INTEGER CHECK (concurrency >= 0),
    -- At most so many in so many microseconds; null for any number.
    rate_jobs       INTEGER CHECK (rate_jobs > 0),
    rate_per        INTEGER CHECK (rate_per >= rate_jobs),
    running         INTEGER NOT NULL DEFAULT 0 CHECK (running >= 0),
    -- When what has begun is paid for by the rate.
    paid_at         INTEGER,
    throttled_until INTEGER,
    CHECK ((rate_jobs IS NULL) = (rate_per IS NULL))
) STRICT;

-- Whatever begins or ends an execution is counted.
CREATE TRIGGER jobs_begin AFTER UPDATE OF state ON jobs
WHEN NEW.limits IS NOT NULL AND NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
    INSERT INTO job_limits (key, running) SELECT value, 1 FROM json_each(NEW.limits) WHERE true
        ON CONFLICT (key) DO UPDATE SET running = running + 1;
END;
CREATE TRIGGER jobs_end AFTER UPDATE OF state ON jobs
WHEN NEW.limits IS NOT NULL AND NEW.state <> 'running' AND OLD.state = 'running'
BEGIN
    UPDATE job_limits SET running = running - 1
        WHERE key IN (SELECT value FROM json_each(NEW.limits));
END;

-- Shares other than 1. An empty tenant stands for jobs without one.
CREATE TABLE job_weights (
    tenant BLOB    NOT NULL PRIMARY KEY,
    weight INTEGER NOT NULL CHECK (weight BETWEEN 1 AND 1000)
) STRICT;

-- Start-time fair queueing: the place of each tenant's next job, where it is above the floor.
CREATE TABLE job_shares (
    kind   TEXT    NOT NULL,
    tenant BLOB    NOT NULL,
    next   INTEGER NOT NULL,
    PRIMARY KEY (kind, tenant)
) STRICT, WITHOUT ROWID;
-- The place of the job of each kind that was leased last.
CREATE TABLE job_floors (
    kind  TEXT    NOT NULL PRIMARY KEY,
    floor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
