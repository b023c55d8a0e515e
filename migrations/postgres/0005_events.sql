-- Hints for other processes: a row that lives a minute, and a notification.
--
-- Whoever can listen gets the notification; whoever cannot (behind a pooler by transaction, over
-- REST) reads the rows. Unlogged: after a crash of the server there is nobody left to hint to.

CREATE UNLOGGED TABLE litink.events (
    id      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic   text        NOT NULL,
    -- As text, which a notification can hold as it is; 4 KiB at most.
    payload text        NOT NULL CHECK (octet_length(payload) <= 4096),
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

ALTER TABLE litink.events ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON litink.events FROM PUBLIC, anon, authenticated, service_role;
REVOKE ALL ON SEQUENCE litink.events_id_seq FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON litink.events TO service_role;
GRANT SELECT ON SEQUENCE litink.events_id_seq TO service_role;
CREATE POLICY events_nobody ON litink.events FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);

-- {"topic", "payload": text} -> {"id"}
CREATE FUNCTION public.litink_publish_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    r      jsonb := litink.request(request);
    number bigint;
BEGIN
    INSERT INTO litink.events (topic, payload) VALUES (r ->> 'topic', r ->> 'payload')
        RETURNING id INTO number;
    PERFORM pg_notify('litink_events', number || E'\n' || (r ->> 'topic') || E'\n' || (r ->> 'payload'));
    -- Now and then, so that most pay nothing.
    IF number % 32 = 0 THEN
        DELETE FROM litink.events e WHERE e.id = ANY (ARRAY(
            SELECT old.id FROM litink.events old
            WHERE old.at < clock_timestamp() - interval '1 minute'
            ORDER BY old.id LIMIT 256 FOR UPDATE SKIP LOCKED));
    END IF;
    RETURN jsonb_build_object('id', number);
END $$;

-- {"after": id, or absent} -> {"last": the newest id given out, "events": [[id, topic, payload], ..]}
--
-- At most a thousand, oldest first; none where `after` is absent.
CREATE FUNCTION public.litink_events_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    r     jsonb  := litink.request(request);
    last  bigint := (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END
        FROM litink.events_id_seq s);
    found jsonb  := '[]';
BEGIN
    IF r ->> 'after' IS NOT NULL THEN
        SELECT coalesce(jsonb_agg(jsonb_build_array(f.id, f.topic, f.payload) ORDER BY f.id), '[]')
            INTO found FROM (
                SELECT e.id, e.topic, e.payload FROM litink.events e
                WHERE e.id > (r ->> 'after')::bigint ORDER BY e.id LIMIT 1000
            ) f;
    END IF;
    RETURN jsonb_build_object('last', last, 'events', found);
END $$;

REVOKE EXECUTE ON FUNCTION public.litink_publish_v1(jsonb), public.litink_events_v1(jsonb)
    FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION public.litink_publish_v1(jsonb), public.litink_events_v1(jsonb)
    TO service_role;

INSERT INTO litink.migrations (version, name) VALUES (5, 'events');
