-- Values that may be forgotten. Unlogged: after a crash of the server they are.

CREATE UNLOGGED TABLE litink.cache (
    key        text        NOT NULL COLLATE "C" PRIMARY KEY,
    value      bytea       NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Which call wrote it: one that is repeated because its answer was lost does nothing twice.
    call       uuid        NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX cache_expires ON litink.cache (expires_at);

ALTER TABLE litink.cache ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON litink.cache FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON litink.cache TO service_role;
CREATE POLICY cache_nobody ON litink.cache FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);

-- {"op": get, put, replace, take, increment; "key", "call", "value" in base64, "expected", "by",
-- "ttl" in microseconds} -> the value in base64, or whether it was replaced, or the sum
CREATE FUNCTION litink.cache_call(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET enable_seqscan = off AS $$
DECLARE
    r         jsonb       := litink.request(request);
    the_key   text        := r ->> 'key';
    the_call  uuid        := r ->> 'call';
    the_value bytea       := decode(r ->> 'value', 'base64');
    the_now   timestamptz := clock_timestamp();
    ends      timestamptz := the_now + (r ->> 'ttl')::bigint * interval '1 microsecond';
    known     litink.cache;
    sum       bigint;
BEGIN
    IF r ->> 'op' = 'get' THEN
        SELECT * INTO known FROM litink.cache c WHERE c.key = the_key AND c.expires_at > the_now;
        RETURN coalesce(to_jsonb(encode(known.value, 'base64')), 'null');
    END IF;
    -- A server that crashes forgets it all the same.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF r ->> 'op' = 'take' THEN
        DELETE FROM litink.cache c WHERE c.key = the_key RETURNING * INTO known;
        RETURN CASE WHEN known.expires_at > the_now THEN to_jsonb(encode(known.value, 'base64'))
            ELSE 'null' END;
    END IF;
    -- Now and then, so that most pay nothing.
    IF random() < 0.03 THEN
        DELETE FROM litink.cache c WHERE c.key = ANY (ARRAY(
            SELECT o.key FROM litink.cache o WHERE o.expires_at <= statement_timestamp()
            ORDER BY o.expires_at LIMIT 128 FOR UPDATE SKIP LOCKED));
    END IF;
    CASE r ->> 'op'
    WHEN 'put' THEN
        INSERT INTO litink.cache (key, value, expires_at, call)
            VALUES (the_key, the_value, ends, the_call)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                expires_at = excluded.expires_at, call = excluded.call;
        RETURN 'true';
    WHEN 'replace' THEN
        IF r ->> 'expected' IS NULL THEN
            INSERT INTO litink.cache AS c (key, value, expires_at, call)
                VALUES (the_key, the_value, ends, the_call)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                    expires_at = excluded.expires_at, call = excluded.call
                WHERE c.expires_at <= the_now OR c.call = the_call;
        ELSE
            UPDATE litink.cache c SET value = the_value, expires_at = ends, call = the_call
                WHERE c.key = the_key AND c.expires_at > the_now
                AND (c.value = decode(r ->> 'expected', 'base64') OR c.call = the_call);
        END IF;
        RETURN to_jsonb(FOUND);
    ELSE
        INSERT INTO litink.cache (key, value, expires_at, call)
            VALUES (the_key, convert_to((r ->> 'by'), 'UTF8'), ends, the_call)
            ON CONFLICT (key) DO NOTHING;
        IF FOUND THEN
            RETURN r -> 'by';
        END IF;
        SELECT * INTO known FROM litink.cache c WHERE c.key = the_key FOR UPDATE;
        IF known.key IS NULL THEN
            RAISE EXCEPTION 'the value was just taken; try again' USING ERRCODE = '40001';
        ELSIF known.expires_at <= the_now THEN
            sum := (r ->> 'by')::bigint;
        ELSE
            ends := known.expires_at;
            BEGIN
                sum := convert_from(known.value, 'UTF8')::bigint;
            EXCEPTION WHEN data_exception THEN
                RAISE EXCEPTION 'the value is no counter' USING ERRCODE = 'PT409',
                    DETAIL = '{"code": "not_a_counter"}';
            END;
            IF known.call = the_call THEN
                RETURN to_jsonb(sum);
            END IF;
            sum := greatest(least(sum::numeric + (r ->> 'by')::bigint, 9223372036854775807),
                -9223372036854775808);
        END IF;
        UPDATE litink.cache c SET value = convert_to(sum::text, 'UTF8'), expires_at = ends,
            call = the_call WHERE c.key = the_key;
        RETURN to_jsonb(sum);
    END CASE;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = 'litink' AND (p.proname LIKE 'queue\_%' OR p.proname LIKE 'cache\_%')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, anon, authenticated', name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO service_role', name);
    END LOOP;
END $$;

INSERT INTO litink.migrations (version, name) VALUES (12, 'cache');
