-- Keys of commits that expired are found by their index. Compared with `clock_timestamp()`, which
-- may differ from row to row, every key that had not expired was looked at in every commit.

DO $$
DECLARE
    before text := pg_get_functiondef('public.litink_commit_v1(jsonb)'::regprocedure);
    after  text := replace(before, 'old.expires_at < clock_timestamp()',
        'old.expires_at < statement_timestamp()');
BEGIN
    IF after = before THEN
        RAISE EXCEPTION 'the function is not as migration 4 made it';
    END IF;
    EXECUTE after;
END $$;

INSERT INTO litink.migrations (version, name) VALUES (7, 'expiry');
