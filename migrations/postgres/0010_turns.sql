-- What workers do: one call a turn.

-- How many more may begin under a limit now.
CREATE FUNCTION litink.queue_room(l litink.job_limits, now_us bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
    SELECT CASE
        WHEN l.throttled_until > now_us THEN 0
        ELSE least(
            coalesce(l.concurrency - l.running, 1000000),
            coalesce(least(l.rate_jobs,
                (now_us + l.rate_per - greatest(coalesce(l.paid_at, now_us), now_us))
                    / (l.rate_per / l.rate_jobs)), 1000000))
    END
$$;

-- Leases the best available jobs of these kinds (none: of any), in their order.
--
-- Where only one kind of job waits, of one tenant and under no limit, workers take what others have
-- not locked. Else they take turns: whose job is next depends on what the last one took.
CREATE FUNCTION litink.queue_lease(
    me uuid, number bigint, kinds text[], want bigint, the_now timestamptz
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    now_us   bigint := extract(epoch FROM the_now) * 1000000;
    nil      uuid   := '00000000-0000-0000-0000-000000000000';
    open     text[];
    lanes    record;
    missing  bigint;
    seen     bigint;
    c        record;
    k        text;
    leased   bigint[] := '{}';
    chosen   bigint[];
    taken    bigint[];
    names    text[];
    rooms    bigint[];
    room     bigint;
    fits     boolean;
    of_kinds   text[];
    of_tenants uuid[];
    places     bigint[];
BEGIN
    IF cardinality(kinds) = 0 THEN
        WITH RECURSIVE found (kind) AS (
            (SELECT j.kind FROM litink.jobs j WHERE j.state = 'available' ORDER BY j.kind LIMIT 1)
            UNION ALL
            SELECT n.kind FROM found f CROSS JOIN LATERAL (
                SELECT j.kind FROM litink.jobs j WHERE j.state = 'available' AND j.kind > f.kind
                ORDER BY j.kind LIMIT 1
            ) n
        )
        SELECT array_agg(f.kind) INTO open FROM found f
            WHERE NOT EXISTS (SELECT FROM litink.job_pauses p WHERE p.kind = f.kind);
    ELSE
        SELECT array_agg(DISTINCT f.kind) INTO open FROM unnest(kinds) AS f (kind)
            WHERE NOT EXISTS (SELECT FROM litink.job_pauses p WHERE p.kind = f.kind);
    END IF;

    -- By leaps over the index, one for each lane; here two at most.
    WITH RECURSIVE heads AS (
        SELECT h.* FROM unnest(open) AS o (kind) CROSS JOIN LATERAL (
            SELECT j.kind, j.lane, j.limits FROM litink.jobs j
            WHERE j.state = 'available' AND j.kind = o.kind
            ORDER BY j.kind, j.lane LIMIT 1
        ) h
        UNION ALL
        SELECT n.* FROM heads h CROSS JOIN LATERAL (
            SELECT j.kind, j.lane, j.limits FROM litink.jobs j
            WHERE j.state = 'available' AND j.kind = h.kind AND j.lane > h.lane
            ORDER BY j.kind, j.lane LIMIT 1
        ) n
    )
    SELECT count(*) AS count, min(h.kind) AS kind, (array_agg(h.lane))[1] AS lane,
        bool_or(h.limits IS NOT NULL) AS limited
        INTO lanes FROM (SELECT * FROM heads LIMIT 2) h;
    IF lanes.count = 0 THEN
        RETURN leased;
    END IF;
    IF lanes.count = 1 AND NOT lanes.limited THEN
        WITH mine AS (
            SELECT j.seq FROM litink.jobs j
            WHERE j.state = 'available' AND j.kind = lanes.kind AND j.lane = lanes.lane
            ORDER BY j.priority DESC, j.scheduled_at, j.seq LIMIT want FOR UPDATE SKIP LOCKED
        ), begun AS (
            UPDATE litink.jobs j SET state = 'running', session = me, turn = number,
                token = j.token + 1, attempt = j.attempt + 1, cancel = 0
            FROM mine m WHERE j.seq = m.seq
            RETURNING j.seq, j.priority, j.scheduled_at
        )
        SELECT coalesce(array_agg(b.seq ORDER BY b.priority DESC, b.scheduled_at, b.seq), '{}')
            INTO leased FROM begun b;
        RETURN leased;
    END IF;

    PERFORM pg_advisory_xact_lock(1819898990, 1);
    -- One priority at a time, until there is enough or nothing that may begin.
    LOOP
        missing := want - cardinality(leased);
        seen := 0;
        chosen := '{}';
        names := '{}';
        rooms := '{}';
        of_kinds := '{}';
        of_tenants := '{}';
        places := '{}';
        FOR c IN
            WITH RECURSIVE heads AS (
                SELECT h.* FROM unnest(open) AS o (kind) CROSS JOIN LATERAL (
                    SELECT j.kind, j.lane, j.limits, j.tenant, j.priority, j.scheduled_at, j.seq
                    FROM litink.jobs j
                    WHERE j.state = 'available' AND j.kind = o.kind
                    ORDER BY j.kind, j.lane, j.priority DESC, j.scheduled_at, j.seq LIMIT 1
                ) h
                UNION ALL
                SELECT n.* FROM heads h CROSS JOIN LATERAL (
                    SELECT j.kind, j.lane, j.limits, j.tenant, j.priority, j.scheduled_at, j.seq
                    FROM litink.jobs j
                    WHERE j.state = 'available' AND j.kind = h.kind AND j.lane > h.lane
                    ORDER BY j.kind, j.lane, j.priority DESC, j.scheduled_at, j.seq LIMIT 1
                ) n
            ), admitted AS MATERIALIZED (
                SELECT * FROM heads h WHERE h.limits IS NULL OR NOT EXISTS (
                    SELECT FROM unnest(h.limits) AS u (key)
                    JOIN litink.job_limits l ON l.key = u.key
                    WHERE litink.queue_room(l, now_us) <= 0
                )
            ), placed AS (
                SELECT a.*, coalesce(a.tenant, nil) AS who, 1048576 / coalesce(w.weight, 1) AS cost,
                    greatest(coalesce(s.next, 0), coalesce(f.floor, 0)) AS place
                FROM admitted a
                LEFT JOIN litink.job_floors f ON f.kind = a.kind
                LEFT JOIN litink.job_shares s
                    ON s.kind = a.kind AND s.tenant = coalesce(a.tenant, nil)
                LEFT JOIN litink.job_weights w ON w.tenant = coalesce(a.tenant, nil)
                WHERE a.priority = (SELECT max(b.priority) FROM admitted b)
            ), lanes AS (
                SELECT p.*, row_number() OVER w AS nth,
                    first_value(p.scheduled_at) OVER w AS first_at, first_value(p.seq) OVER w AS first
                FROM placed p
                WINDOW w AS (PARTITION BY p.kind, p.who ORDER BY p.scheduled_at, p.seq)
            ), turns AS (
                SELECT l.*, dense_rank() OVER (
                    PARTITION BY l.kind ORDER BY l.place, l.first_at, l.first) AS turn
                FROM lanes l
            ), near AS (
                -- No more tenants of a kind than jobs are wanted, and of each no job that comes after
                -- the last one's first; before a job come those of its lane, and the lanes before.
                SELECT t.*, least(missing, (
                    max(t.place) FILTER (WHERE t.turn = missing) OVER (PARTITION BY t.kind) - t.place
                ) / t.cost + 2) - t.nth + 1 AS most
                FROM turns t WHERE t.turn <= missing
            ), ranked AS (
                SELECT n.kind, n.who, n.limits, j.seq, j.scheduled_at, n.cost, n.place + n.cost * (
                    row_number() OVER (PARTITION BY n.kind, n.who ORDER BY j.scheduled_at, j.seq) - 1
                ) AS place
                FROM near n CROSS JOIN LATERAL (
                    SELECT i.seq, i.scheduled_at FROM litink.jobs i
                    WHERE i.state = 'available' AND i.kind = n.kind AND i.lane = n.lane
                        AND i.priority = n.priority
                    ORDER BY i.scheduled_at, i.seq
                    LIMIT greatest(n.most, 0)
                ) j
            )
            -- Between kinds goes whose next job waits longer.
            SELECT r.* FROM ranked r
            ORDER BY max(ARRAY[(extract(epoch FROM r.scheduled_at) * 1000000)::bigint, r.seq]) OVER (
                PARTITION BY r.kind ORDER BY r.place, r.scheduled_at, r.seq
            ), r.place, r.scheduled_at, r.seq
        LOOP
            -- What comes after so many was not all read; the next pass does, without the lanes whose
            -- limits have closed.
            EXIT WHEN seen >= missing;
            seen := seen + 1;
            IF c.limits IS NOT NULL THEN
                fits := true;
                FOREACH k IN ARRAY c.limits LOOP
                    IF array_position(names, k) IS NULL THEN
                        SELECT litink.queue_room(l, now_us) INTO room
                            FROM litink.job_limits l WHERE l.key = k;
                        names := names || k;
                        rooms := rooms || coalesce(room, 1000000);
                    END IF;
                    fits := fits AND rooms[array_position(names, k)] > 0;
                END LOOP;
                CONTINUE WHEN NOT fits;
                FOREACH k IN ARRAY c.limits LOOP
                    rooms[array_position(names, k)] := rooms[array_position(names, k)] - 1;
                END LOOP;
            END IF;
            chosen := chosen || c.seq;
            of_kinds := of_kinds || c.kind;
            of_tenants := of_tenants || c.who;
            places := places || c.place;
        END LOOP;
        EXIT WHEN cardinality(chosen) = 0;

        WITH mine AS (
            SELECT j.seq FROM litink.jobs j
            WHERE j.seq = ANY (chosen) AND j.state = 'available' FOR UPDATE SKIP LOCKED
        ), begun AS (
            UPDATE litink.jobs j SET state = 'running', session = me, turn = number,
                token = j.token + 1, attempt = j.attempt + 1, cancel = 0
            FROM mine m WHERE j.seq = m.seq
            RETURNING j.seq
        )
        SELECT coalesce(array_agg(b.seq ORDER BY array_position(chosen, b.seq)), '{}')
            INTO taken FROM begun b;
        EXIT WHEN cardinality(taken) = 0;
        leased := leased || taken;

        INSERT INTO litink.job_floors AS f (kind, floor)
            SELECT p.kind, max(p.place)
            FROM unnest(chosen, of_kinds, places) AS p (seq, kind, place)
            WHERE p.seq = ANY (taken) GROUP BY p.kind
            ON CONFLICT (kind) DO UPDATE SET floor = greatest(f.floor, excluded.floor);
        INSERT INTO litink.job_shares AS s (kind, tenant, next)
            SELECT p.kind, p.tenant, max(p.place) + 1048576 / coalesce(max(w.weight), 1)
            FROM unnest(chosen, of_kinds, of_tenants, places) AS p (seq, kind, tenant, place)
            LEFT JOIN litink.job_weights w ON w.tenant = p.tenant
            WHERE p.seq = ANY (taken) GROUP BY p.kind, p.tenant
            ON CONFLICT (kind, tenant) DO UPDATE SET next = excluded.next;
        INSERT INTO litink.job_limits AS l (key, running)
            SELECT u.key, count(*) FROM litink.jobs j CROSS JOIN unnest(j.limits) AS u (key)
            WHERE j.seq = ANY (taken) GROUP BY u.key
            ON CONFLICT (key) DO UPDATE SET running = l.running + excluded.running,
                paid_at = CASE WHEN l.rate_jobs IS NULL THEN l.paid_at ELSE
                    greatest(coalesce(l.paid_at, now_us), now_us)
                        + excluded.running * (l.rate_per / l.rate_jobs) END;
        -- Who is not ahead of the floor is as one who comes anew; now and then.
        IF random() < 0.02 THEN
            DELETE FROM litink.job_shares s USING litink.job_floors f
                WHERE f.kind = ANY (open) AND s.kind = f.kind AND s.next <= f.floor;
        END IF;
        EXIT WHEN cardinality(leased) >= want;
    END LOOP;
    RETURN leased;
END $$;

-- Microseconds until something changes by itself: a job is due, a session expires, a limit opens.
CREATE FUNCTION litink.queue_next_event(the_now timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = '' AS $$
    SELECT least(
        (SELECT extract(epoch FROM j.scheduled_at - the_now) * 1000000 FROM litink.jobs j
            WHERE j.state IN ('scheduled', 'retryable') ORDER BY j.scheduled_at LIMIT 1),
        (SELECT extract(epoch FROM min(s.expires_at) - the_now) * 1000000
            FROM litink.job_sessions s),
        (SELECT min(o.opens) FROM (
            SELECT greatest(l.throttled_until, l.paid_at + l.rate_per / l.rate_jobs - l.rate_per)
                - extract(epoch FROM the_now) * 1000000 AS opens
            FROM litink.job_limits l
        ) o WHERE o.opens > 0)
    )::bigint
$$;

-- Which settles of a session count, now or since before: [true, ..].
CREATE FUNCTION litink.queue_settled(me uuid, settles jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
BEGIN
    -- Not in SQL, which is planned anew with each call.
    RETURN (
        SELECT coalesce(jsonb_agg(EXISTS (
                SELECT FROM litink.jobs j WHERE j.id = (e.settle ->> 0)::uuid
                    AND j.settled_by = me AND j.settled_token = (e.settle ->> 1)::bigint
                    AND j.settled_as = e.settle ->> 2
                UNION ALL
                SELECT FROM litink.job_history h WHERE h.id = (e.settle ->> 0)::uuid
                    AND h.settled_by = me AND h.settled_token = (e.settle ->> 1)::bigint
                    AND h.settled_as = e.settle ->> 2
            ) ORDER BY e.i), '[]')
        FROM jsonb_array_elements(settles) WITH ORDINALITY AS e (settle, i)
    );
END $$;

-- In the caller's transaction: {"session", "settle"} -> [true, ..]. A heartbeat does not wait for it.
CREATE FUNCTION litink.queue_settle_in(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r       jsonb       := litink.request(request);
    me      uuid        := r ->> 'session';
    the_now timestamptz := clock_timestamp();
BEGIN
    PERFORM FROM litink.job_sessions s WHERE s.id = me AND s.expires_at > the_now FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the session has expired' USING ERRCODE = 'PT409',
            DETAIL = '{"code": "session_lost"}';
    END IF;
    IF litink.queue_settle(me, r -> 'settle', the_now) THEN
        -- It goes out with the caller's commit, however long that takes.
        PERFORM pg_notify('litink_jobs', '');
    END IF;
    RETURN litink.queue_settled(me, r -> 'settle');
END $$;

-- {"session", "settle": [[id, token, how, after, error], ..], "want", "kinds", "received", "wait",
-- "listens"} -> {"number", "settled", "jobs": [[token, turn, [job ..]], ..], "cancel": [[id, token],
-- ..]}, or {"next": microseconds} where it brought nothing and may wait
CREATE FUNCTION litink.queue_turn(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    r         jsonb   := litink.request(request);
    me        uuid    := r ->> 'session';
    want      bigint  := r ->> 'want';
    kinds     text[]  := ARRAY(SELECT jsonb_array_elements_text(r -> 'kinds'));
    received  bigint  := r ->> 'received';
    settles   jsonb   := r -> 'settle';
    may_wait  boolean := r ->> 'wait';
    listens   boolean := r ->> 'listens';
    the_now   timestamptz;
    held      record;
    number    bigint;
    news      boolean := false;
    marked    boolean;
    told      bigint;
    leased    bigint[] := '{}';
    lost      boolean;
    settled   jsonb := '[]';
    cancels   jsonb;
    jobs      jsonb;
BEGIN
    SELECT s.turn, s.expires_at, s.idle_until, s.idle_kinds INTO held
        FROM litink.job_sessions s WHERE s.id = me FOR UPDATE;
    the_now := clock_timestamp();
    IF held.expires_at IS NULL OR held.expires_at <= the_now THEN
        RAISE EXCEPTION 'the session has expired' USING ERRCODE = 'PT409',
            DETAIL = '{"code": "session_lost"}';
    END IF;
    number := held.turn + 1;
    marked := NOT listens OR (held.idle_until > the_now + interval '15 seconds'
        AND held.idle_kinds = kinds);

    WITH due AS (
        SELECT j.seq FROM litink.jobs j
        WHERE j.state IN ('scheduled', 'retryable') AND j.scheduled_at <= the_now
        ORDER BY j.scheduled_at LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
    UPDATE litink.jobs j SET state = 'available' FROM due d WHERE j.seq = d.seq;
    news := FOUND;
    news := litink.queue_rescue(the_now) OR news;

    IF jsonb_array_length(settles) > 0 THEN
        news := litink.queue_settle(me, settles, the_now) OR news;
        settled := litink.queue_settled(me, settles);
    END IF;
    lost := EXISTS (SELECT FROM litink.jobs j WHERE j.session = me AND j.turn > received);

    LOOP
        IF want > 0 THEN
            leased := litink.queue_lease(me, number, kinds, want, the_now);
        END IF;
        SELECT coalesce(jsonb_agg(jsonb_build_array(j.id, j.token) ORDER BY j.seq), '[]')
            INTO cancels FROM litink.jobs j WHERE j.session = me AND j.cancel > 0;
        UPDATE litink.jobs j SET cancel = 2 WHERE j.session = me AND j.cancel > 0 AND j.cancel = 1;
        GET DIAGNOSTICS told = ROW_COUNT;
        EXIT WHEN lost OR told > 0 OR cardinality(leased) > 0
            OR jsonb_array_length(settles) > 0 OR NOT may_wait;
        IF marked THEN
            IF news THEN
                PERFORM litink.queue_wake(NULL);
            ELSE
                -- Nothing that anybody must find again.
                PERFORM set_config('synchronous_commit', 'off', true);
            END IF;
            RETURN jsonb_build_object('next', litink.queue_next_event(the_now));
        END IF;
        UPDATE litink.job_sessions s SET idle_until = the_now + interval '1 minute',
            idle_kinds = kinds WHERE s.id = me;
        -- Whoever makes jobs available from here on sees the mark; and now that those before have
        -- committed, another look.
        PERFORM pg_advisory_xact_lock(1819898990, 2);
        marked := true;
    END LOOP;

    UPDATE litink.job_sessions s SET turn = number, idle_until = NULL WHERE s.id = me;
    jobs := '[]';
    IF lost OR cardinality(leased) > 0 THEN
        SELECT coalesce(jsonb_agg(jsonb_build_array(j.id, j.group_id, j.kind, j.tenant, j.priority,
                j.token, j.state, j.attempt, j.max_attempts, j.crashes, j.max_crashes,
                (extract(epoch FROM j.created_at) * 1000000)::bigint,
                (extract(epoch FROM j.scheduled_at) * 1000000)::bigint, NULL, j.idempotency_key,
                j.trace, j.error, j.args, j.limits, j.turn) ORDER BY l.i NULLS FIRST, j.seq), '[]')
            INTO jobs
        FROM litink.jobs j LEFT JOIN unnest(leased) WITH ORDINALITY AS l (seq, i) ON l.seq = j.seq
        WHERE j.session = me AND j.turn > received;
    END IF;
    IF news THEN
        PERFORM litink.queue_wake(NULL);
    END IF;
    RETURN jsonb_build_object('number', number, 'settled', settled, 'jobs', jobs,
        'cancel', cancels);
END $$;

-- {"session", "worker", "lease"}
CREATE FUNCTION litink.queue_open(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    r       jsonb       := litink.request(request);
    the_now timestamptz := clock_timestamp();
    lease   interval    := (r ->> 'lease')::bigint * interval '1 microsecond';
BEGIN
    INSERT INTO litink.job_sessions (id, worker, opened_at, lease, expires_at)
        VALUES ((r ->> 'session')::uuid, r ->> 'worker', the_now, lease, the_now + lease)
        ON CONFLICT DO NOTHING;
    -- Who waits must know when this one expires.
    PERFORM litink.queue_wake(NULL);
    RETURN 'null';
END $$;

-- {"session"} -> {"cancel": [[id, token], ..]}
CREATE FUNCTION litink.queue_beat(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    r       jsonb       := litink.request(request);
    me      uuid        := r ->> 'session';
    cancels jsonb;
BEGIN
    UPDATE litink.job_sessions s SET expires_at = clock_timestamp() + s.lease
        WHERE s.id = me AND s.expires_at > clock_timestamp();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the session has expired' USING ERRCODE = 'PT409',
            DETAIL = '{"code": "session_lost"}';
    END IF;
    SELECT coalesce(jsonb_agg(jsonb_build_array(j.id, j.token) ORDER BY j.seq), '[]')
        INTO cancels FROM litink.jobs j WHERE j.session = me AND j.cancel > 0;
    RETURN jsonb_build_object('cancel', cancels);
END $$;

-- {"session"}
CREATE FUNCTION litink.queue_close(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    me uuid := litink.request(request) ->> 'session';
BEGIN
    PERFORM FROM litink.job_sessions s WHERE s.id = me FOR UPDATE;
    WHILE litink.queue_take_back(me, false, clock_timestamp()) > 0 LOOP
    END LOOP;
    DELETE FROM litink.job_sessions s WHERE s.id = me;
    PERFORM litink.queue_wake(NULL);
    RETURN 'null';
END $$;

INSERT INTO litink.migrations (version, name) VALUES (10, 'turns');
