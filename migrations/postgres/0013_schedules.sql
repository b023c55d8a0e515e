-- The timetable: at each tick of a clock, a job. Written by services alone, read by no user.

CREATE TABLE public.schedules (
    id         uuid        NOT NULL PRIMARY KEY,
    owner      uuid        NOT NULL,
    version    bigint      NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    name       text        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('active', 'paused')),
    cron       text        NOT NULL,
    time_zone  text        NOT NULL,
    kind       text        NOT NULL,
    args       jsonb,
    priority   bigint      NOT NULL,
    catch_up   text        NOT NULL,
    revision   bigint      NOT NULL,
    -- Every tick up to here has its job, or was left out.
    done_until timestamptz NOT NULL,
    last_tick  timestamptz,
    last_job   uuid
);

CREATE INDEX schedules_owner_created ON public.schedules (owner, created_at, id);

CREATE TRIGGER litink_stamp BEFORE INSERT OR UPDATE ON public.schedules
    FOR EACH ROW EXECUTE FUNCTION litink.stamp();

ALTER TABLE public.schedules ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.schedules FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.schedules TO service_role;
CREATE POLICY schedules_nobody ON public.schedules FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);

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
        after := replace(before, '''accounts'', ''sessions''',
            '''accounts'', ''sessions'', ''schedules''');
        IF after = before THEN
            RAISE EXCEPTION 'the function is not as an earlier migration made it';
        END IF;
        EXECUTE after;
    END LOOP;
END $$;

INSERT INTO litink.migrations (version, name) VALUES (13, 'schedules');
