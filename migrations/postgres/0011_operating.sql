-- What operators do to jobs and see of them.

-- The ids of the live jobs, or of the final ones, that a selector means; the oldest first.
CREATE FUNCTION litink.queue_select(selector jsonb, live boolean) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SET search_path = '' SET enable_seqscan = off AS $$
DECLARE
    picked uuid[];
BEGIN
    IF selector ? 'ids' THEN
        RETURN ARRAY(SELECT DISTINCT i::uuid FROM jsonb_array_elements_text(selector -> 'ids') i);
    ELSIF selector ? 'group' AND live THEN
        RETURN ARRAY(SELECT j.id FROM litink.jobs j WHERE j.group_id = (selector ->> 'group')::uuid
            ORDER BY j.seq LIMIT 10000);
    ELSIF selector ? 'group' THEN
        RETURN ARRAY(SELECT h.id FROM litink.job_history h
            WHERE h.group_id = (selector ->> 'group')::uuid ORDER BY h.seq LIMIT 10000);
    ELSIF selector ? 'key' AND live THEN
        RETURN ARRAY(SELECT j.id FROM litink.jobs j
            WHERE j.kind = selector ->> 'kind' AND j.idempotency_key = selector ->> 'key'
            AND coalesce(j.tenant, '00000000-0000-0000-0000-000000000000'::uuid) = coalesce(
                (selector ->> 'tenant')::uuid, '00000000-0000-0000-0000-000000000000'::uuid));
    ELSIF selector ? 'discarded' AND NOT live THEN
        RETURN ARRAY(SELECT h.id FROM litink.job_history h
            WHERE h.state = 'discarded'
            AND (selector ->> 'kind' IS NULL OR h.kind = selector ->> 'kind')
            ORDER BY h.seq LIMIT 1000);
    END IF;
    RETURN '{}';
END $$;

CREATE FUNCTION litink.queue_cancel(selector jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    picked  uuid[]  := litink.queue_select(selector, true);
    m       record;
    flagged bigint;
BEGIN
    SELECT count(*) AS count, array_agg(j.id) AS ids, array_agg(j.attempt) AS attempts,
        array_agg(j.crashes) AS crashes, array_agg(j.scheduled_at) AS times
    INTO m FROM (
        SELECT * FROM litink.jobs WHERE id = ANY (picked) AND session IS NULL
        ORDER BY seq FOR UPDATE
    ) j;
    IF m.count > 0 THEN
        PERFORM litink.queue_move(clock_timestamp(), m.ids,
            array_fill('cancelled'::text, ARRAY[m.count::integer]), m.attempts, m.crashes, m.times,
            array_fill(NULL::text, ARRAY[m.count::integer]), NULL,
            array_fill(NULL::text, ARRAY[m.count::integer]), false);
    END IF;
    -- After those that wait, so that one that is leased in between is caught here.
    UPDATE litink.jobs j SET cancel = 1
        WHERE j.id = ANY (picked) AND j.session IS NOT NULL AND j.cancel = 0;
    GET DIAGNOSTICS flagged = ROW_COUNT;
    RETURN m.count + flagged;
END $$;

-- Final jobs are available again; one whose key another live job has stays as it is.
CREATE FUNCTION litink.queue_replay(selector jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    picked   uuid[] := litink.queue_select(selector, false);
    replayed bigint;
BEGIN
    WITH before AS MATERIALIZED (
        SELECT * FROM litink.job_history WHERE id = ANY (picked) ORDER BY seq FOR UPDATE
    ), back AS (
        INSERT INTO litink.jobs (seq, id, group_id, tenant, token, turn, created_at, scheduled_at,
            attempt, max_attempts, crashes, max_crashes, settled_by, settled_token, settled_as,
            priority, state, kind, lane, limits, idempotency_key, trace, args)
        SELECT b.seq, b.id, b.group_id, b.tenant, b.token, b.turn, b.created_at, clock_timestamp(),
            0, b.max_attempts, 0, b.max_crashes, b.settled_by, b.settled_token, b.settled_as,
            b.priority, 'available', b.kind, b.lane, b.limits, b.idempotency_key, b.trace, b.args
        FROM before b ORDER BY b.seq
        ON CONFLICT DO NOTHING RETURNING id
    )
    DELETE FROM litink.job_history h USING back b WHERE h.id = b.id;
    GET DIAGNOSTICS replayed = ROW_COUNT;
    RETURN replayed;
END $$;

-- {"command", ..} -> how many it touched. Of a prune at most five thousand.
CREATE FUNCTION litink.queue_control(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r       jsonb  := litink.request(request);
    now_us  bigint := extract(epoch FROM clock_timestamp()) * 1000000;
    until   bigint;
    touched bigint := 1;
BEGIN
    CASE r ->> 'command'
    WHEN 'cancel' THEN
        touched := litink.queue_cancel(r -> 'selector');
    WHEN 'replay' THEN
        touched := litink.queue_replay(r -> 'selector');
    WHEN 'pause' THEN
        INSERT INTO litink.job_pauses (kind, paused_at) VALUES (r ->> 'kind', clock_timestamp())
            ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS touched = ROW_COUNT;
    WHEN 'resume' THEN
        DELETE FROM litink.job_pauses p WHERE p.kind = r ->> 'kind';
        GET DIAGNOSTICS touched = ROW_COUNT;
    WHEN 'limit' THEN
        PERFORM pg_advisory_xact_lock(1819898990, 1);
        INSERT INTO litink.job_limits (key, concurrency, rate_jobs, rate_per)
            VALUES (r ->> 'key', (r ->> 'concurrency')::bigint, (r ->> 'rate_jobs')::bigint,
                (r ->> 'rate_per')::bigint)
            ON CONFLICT (key) DO UPDATE SET concurrency = excluded.concurrency,
                rate_jobs = excluded.rate_jobs, rate_per = excluded.rate_per;
    WHEN 'throttle' THEN
        until := CASE WHEN (r ->> 'time')::bigint > 0 THEN now_us + (r ->> 'time')::bigint END;
        PERFORM pg_advisory_xact_lock(1819898990, 1);
        INSERT INTO litink.job_limits AS l (key, throttled_until) VALUES (r ->> 'key', until)
            ON CONFLICT (key) DO UPDATE SET throttled_until = CASE
                WHEN excluded.throttled_until IS NULL THEN NULL
                ELSE greatest(l.throttled_until, excluded.throttled_until) END;
    WHEN 'weigh' THEN
        INSERT INTO litink.job_weights (tenant, weight)
            VALUES (coalesce((r ->> 'tenant')::uuid, '00000000-0000-0000-0000-000000000000'::uuid),
                (r ->> 'weight')::bigint)
            ON CONFLICT (tenant) DO UPDATE SET weight = excluded.weight;
    WHEN 'prune' THEN
        PERFORM pg_advisory_xact_lock(1819898990, 1);
        DELETE FROM litink.job_limits l
            WHERE l.running = 0 AND l.concurrency IS NULL AND l.rate_jobs IS NULL
            AND coalesce(l.throttled_until, 0) <= now_us AND coalesce(l.paid_at, 0) <= now_us;
        DELETE FROM litink.job_history h WHERE h.seq = ANY (ARRAY(
            SELECT o.seq FROM litink.job_history o
            WHERE o.finished_at <= statement_timestamp()
                - (r ->> 'older_than')::bigint * interval '1 microsecond'
            ORDER BY o.finished_at LIMIT 5000 FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS touched = ROW_COUNT;
        RETURN to_jsonb(touched);
    END CASE;
    PERFORM litink.queue_wake(NULL);
    RETURN to_jsonb(touched);
END $$;

-- {"ids"}, in their order and null for none; or {"kind", "tenant", "states", "before", "limit"},
-- the newest first -> [[..], ..]; each with its number last
CREATE FUNCTION litink.queue_read(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    r         jsonb := litink.request(request);
    tables    text  := '(SELECT j.*, NULL::timestamptz AS finished_at FROM litink.jobs j %1$s)
        UNION ALL (SELECT j.* FROM litink.job_history j %1$s)';
    -- What is due is available, even where nobody has written so yet.
    state     text  := 'CASE WHEN j.state IN (''scheduled'', ''retryable'')
        AND j.scheduled_at <= clock_timestamp() THEN ''available'' ELSE j.state END';
    condition text;
    jobs      jsonb;
BEGIN
    IF r ? 'ids' THEN
        condition := 'WHERE j.id = ANY ($1)';
    ELSE
        condition := format('WHERE j.seq < %s', (r ->> 'before')::bigint);
        IF r ->> 'kind' IS NOT NULL THEN
            condition := condition || format(' AND j.kind = %L', r ->> 'kind');
        END IF;
        IF r ->> 'tenant' IS NOT NULL THEN
            condition := condition || format(' AND j.tenant = %L::uuid', r ->> 'tenant');
        END IF;
        IF r -> 'states' = '["discarded"]' THEN
            -- By their own index.
            condition := condition || ' AND j.state = ''discarded''';
        ELSIF jsonb_array_length(r -> 'states') > 0 THEN
            condition := condition || format(' AND %s = ANY (%L)', state,
                ARRAY(SELECT jsonb_array_elements_text(r -> 'states')));
        END IF;
        condition := condition || format(' ORDER BY j.seq DESC LIMIT %s', (r ->> 'limit')::bigint);
    END IF;
    EXECUTE format('SELECT coalesce(jsonb_agg(f.job ORDER BY f.seq DESC), ''[]'') FROM (
            SELECT j.seq, jsonb_build_array(j.id, j.group_id, j.kind, j.tenant, j.priority, j.token,
                %s, j.attempt, j.max_attempts, j.crashes, j.max_crashes,
                (extract(epoch FROM j.created_at) * 1000000)::bigint,
                (extract(epoch FROM j.scheduled_at) * 1000000)::bigint,
                (extract(epoch FROM j.finished_at) * 1000000)::bigint,
                j.idempotency_key, j.trace, j.error, j.args, j.limits, j.seq) AS job
            FROM (%s) j ORDER BY j.seq DESC LIMIT $2
        ) f', state, format(tables, condition))
    INTO jobs USING ARRAY(SELECT i::uuid FROM jsonb_array_elements_text(r -> 'ids') i),
        (r ->> 'limit')::bigint;
    RETURN jobs;
END $$;

-- -> {"counts": [[kind, state, jobs, microseconds since the first was available], ..], "paused"}
CREATE FUNCTION litink.queue_stats(request jsonb) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = '' AS $$
    SELECT jsonb_build_object(
        'counts', (
            SELECT coalesce(jsonb_agg(jsonb_build_array(c.kind, c.state, c.jobs,
                greatest((extract(epoch FROM clock_timestamp() - c.since) * 1000000)::bigint, 0))),
                '[]')
            FROM (
                SELECT j.kind, CASE WHEN j.state IN ('scheduled', 'retryable')
                        AND j.scheduled_at <= statement_timestamp() THEN 'available'
                        ELSE j.state END AS state,
                    count(*) AS jobs, min(j.scheduled_at) AS since
                FROM litink.jobs j GROUP BY 1, 2
                UNION ALL
                SELECT h.kind, h.state, count(*), NULL FROM litink.job_history h GROUP BY 1, 2
            ) c
        ),
        'paused', (SELECT coalesce(jsonb_agg(p.kind), '[]') FROM litink.job_pauses p)
    )
$$;

INSERT INTO litink.migrations (version, name) VALUES (11, 'operating');
