-- What calls used and cost, in columns that can be added up, and what they may cost.

ALTER TABLE generations ADD COLUMN cost_source TEXT;
ALTER TABLE generations ADD COLUMN priced_nanos INTEGER;
-- The most that attempts cost of which it is not known whether, or how much, they were paid.
ALTER TABLE generations ADD COLUMN unsettled_nanos INTEGER;
-- What is held back for the attempt in flight, and of which budgets.
ALTER TABLE generations ADD COLUMN reservation TEXT;
ALTER TABLE generations ADD COLUMN input_tokens INTEGER;
ALTER TABLE generations ADD COLUMN output_tokens INTEGER;
ALTER TABLE generations ADD COLUMN input_chars INTEGER;
ALTER TABLE generations ADD COLUMN input_ms INTEGER;
ALTER TABLE generations ADD COLUMN output_ms INTEGER;
ALTER TABLE generations ADD COLUMN images INTEGER;

UPDATE generations SET
    -- Who said so was not written down; a price list is the weaker claim.
    cost_source   = CASE WHEN cost_nanos IS NOT NULL THEN 'priced'
                         WHEN state = 'completed' THEN 'unknown' END,
    input_tokens  = usage ->> 'input_tokens',
    output_tokens = usage ->> 'output_tokens',
    input_chars   = usage ->> 'input_chars',
    input_ms      = usage ->> 'input_ms',
    output_ms     = usage ->> 'output_ms',
    images        = usage ->> 'images';

CREATE TABLE budgets (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    owner       BLOB    NOT NULL CHECK (length(owner) = 16),
    version     INTEGER NOT NULL CHECK (version >= 1),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    scope       TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    limit_nanos INTEGER NOT NULL,
    left_nanos  INTEGER NOT NULL,
    held_nanos  INTEGER NOT NULL
) STRICT;

CREATE INDEX budgets_owner_created ON budgets (owner, created_at, id);
