-- What calls used and cost, in columns that can be added up, and what they may cost. Written by
-- workers alone; users read their own.

ALTER TABLE public.generations
    ADD COLUMN cost_source     text,
    ADD COLUMN priced_nanos    bigint,
    -- The most that attempts cost of which it is not known whether, or how much, they were paid.
    ADD COLUMN unsettled_nanos bigint,
    -- What is held back for the attempt in flight, and of which budgets.
    ADD COLUMN reservation     jsonb,
    ADD COLUMN input_tokens    bigint,
    ADD COLUMN output_tokens   bigint,
    ADD COLUMN input_chars     bigint,
    ADD COLUMN input_ms        bigint,
    ADD COLUMN output_ms       bigint,
    ADD COLUMN images          bigint;

-- What is there already keeps its version and times: nothing is made of it that was not known.
ALTER TABLE public.generations DISABLE TRIGGER litink_stamp;
UPDATE public.generations SET
    -- Who said so was not written down; a price list is the weaker claim.
    cost_source   = CASE WHEN cost_nanos IS NOT NULL THEN 'priced'
                         WHEN state = 'completed' THEN 'unknown' END,
    input_tokens  = (usage ->> 'input_tokens')::bigint,
    output_tokens = (usage ->> 'output_tokens')::bigint,
    input_chars   = (usage ->> 'input_chars')::bigint,
    input_ms      = (usage ->> 'input_ms')::bigint,
    output_ms     = (usage ->> 'output_ms')::bigint,
    images        = (usage ->> 'images')::bigint;
ALTER TABLE public.generations ENABLE TRIGGER litink_stamp;

CREATE TABLE public.budgets (
    id          uuid        NOT NULL PRIMARY KEY,
    owner       uuid        NOT NULL,
    version     bigint      NOT NULL CHECK (version >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    scope       text        NOT NULL,
    subject     text        NOT NULL,
    limit_nanos bigint      NOT NULL,
    left_nanos  bigint      NOT NULL,
    held_nanos  bigint      NOT NULL
);

CREATE INDEX budgets_owner_created ON public.budgets (owner, created_at, id);

CREATE TRIGGER litink_stamp BEFORE INSERT OR UPDATE ON public.budgets
    FOR EACH ROW EXECUTE FUNCTION litink.stamp();

ALTER TABLE public.budgets ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.budgets FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.budgets TO service_role;
GRANT SELECT ON public.budgets TO authenticated;
CREATE POLICY budgets_select ON public.budgets FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()));

-- The four verbs know their tables by name.
DO $$
DECLARE
    verb   regprocedure;
    before text;
    after  text;
BEGIN
    FOREACH verb IN ARRAY ARRAY[
        'litink.table_of(jsonb)'::regprocedure, 'public.litink_commit_v1(jsonb)'::regprocedure
    ] LOOP
        before := pg_get_functiondef(verb);
        after := replace(before, '''sessions'', ''schedules''',
            '''sessions'', ''schedules'', ''budgets''');
        IF after = before THEN
            RAISE EXCEPTION 'the function is not as an earlier migration made it';
        END IF;
        EXECUTE after;
    END LOOP;
END $$;

INSERT INTO litink.migrations (version, name) VALUES (14, 'money');
