-- How jobs are added, and go from state to state.
--
-- Locks, in this order: a session's row; the rows of jobs; (1819898990, 1), under which limits and
-- shares are counted, and whose holder waits for no job of another session; (1819898990, 2), shared
-- by whoever made jobs available and exclusive for whoever begins to wait, so that no job comes
-- unseen between a look and the mark that somebody waits.

-- Tells those who wait, if there are any, that jobs of these kinds (null: of any) may begin. The
-- last step of a transaction.
CREATE FUNCTION litink.queue_wake(kinds text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1819898990, 2);
    IF EXISTS (
        SELECT FROM litink.job_sessions s
        WHERE s.idle_until > clock_timestamp()
            AND (kinds IS NULL OR s.idle_kinds = '{}' OR s.idle_kinds && kinds)
    ) THEN
        PERFORM pg_notify('litink_jobs', '');
    END IF;
END $$;

-- {"jobs": [{..}, ..], "in_transaction"} -> {"existing": [id or null, ..]}, or null for none
CREATE FUNCTION litink.queue_enqueue(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET jit = off SET enable_seqscan = off
SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    r       jsonb       := litink.request(request);
    the_now timestamptz := clock_timestamp();
    added   uuid[];
    twice   uuid[];
    answers jsonb;
BEGIN
    WITH inserted AS (
        INSERT INTO litink.jobs (id, group_id, tenant, created_at, scheduled_at, max_attempts,
            max_crashes, priority, state, kind, lane, limits, idempotency_key, trace, args)
        SELECT x.id, x.group_id, x.tenant, the_now,
            the_now + x.delay * interval '1 microsecond', x.max_attempts, x.max_crashes, x.priority,
            CASE WHEN x.delay > 0 THEN 'scheduled' ELSE 'available' END, x.kind,
            CASE WHEN x.tenant IS NULL AND x.limits IS NULL THEN '\x'::bytea
                ELSE substr(sha256(convert_to(
                    coalesce(x.tenant::text, '') || coalesce(array_to_json(x.limits)::text, ''),
                    'UTF8')), 1, 16) END,
            x.limits, x.idempotency_key, x.trace, x.args
        FROM jsonb_to_recordset(r -> 'jobs') AS x (i bigint, id uuid, group_id uuid, tenant uuid,
            delay bigint, max_attempts bigint, max_crashes bigint, priority smallint, kind text,
            limits text[], idempotency_key text, trace text, args text)
        WHERE NOT EXISTS (SELECT FROM litink.job_history h WHERE h.id = x.id)
        ORDER BY x.i
        ON CONFLICT DO NOTHING
        RETURNING jobs.id
    )
    SELECT coalesce(array_agg(i.id), '{}') INTO added FROM inserted i;
    -- It became final while this waited for it.
    WITH removed AS (
        DELETE FROM litink.jobs j USING litink.job_history h
        WHERE j.id = ANY (added) AND h.id = j.id RETURNING j.id
    )
    SELECT array_agg(m.id) INTO twice FROM removed m;
    IF twice IS NOT NULL THEN
        added := ARRAY(SELECT a FROM unnest(added) a WHERE a <> ALL (twice));
    END IF;
    IF cardinality(added) < jsonb_array_length(r -> 'jobs') THEN
        SELECT jsonb_agg(CASE
                WHEN x.n = 1 AND x.id = ANY (added) THEN NULL
                WHEN EXISTS (SELECT FROM litink.jobs j WHERE j.id = x.id)
                    OR EXISTS (SELECT FROM litink.job_history h WHERE h.id = x.id) THEN x.id
                ELSE coalesce((
                    SELECT j.id FROM litink.jobs j
                    WHERE j.kind = x.kind AND j.idempotency_key = x.idempotency_key
                        AND coalesce(j.tenant, '00000000-0000-0000-0000-000000000000'::uuid)
                            = coalesce(x.tenant, '00000000-0000-0000-0000-000000000000'::uuid)
                ), '00000000-0000-0000-0000-000000000000'::uuid)
            END ORDER BY x.i) INTO answers
        FROM (
            SELECT y.*, row_number() OVER (PARTITION BY y.id ORDER BY y.i) AS n
            FROM jsonb_to_recordset(r -> 'jobs') AS y (i bigint, id uuid, tenant uuid, kind text,
                idempotency_key text)
        ) x;
        IF answers @> '"00000000-0000-0000-0000-000000000000"' THEN
            RAISE EXCEPTION 'the job in the way just became final; try again'
                USING ERRCODE = '40001';
        END IF;
    END IF;
    IF (r ->> 'in_transaction')::boolean THEN
        -- It goes out with the caller's commit, however long that takes.
        PERFORM pg_notify('litink_jobs', '');
    ELSIF cardinality(added) > 0 THEN
        PERFORM litink.queue_wake(ARRAY(
            SELECT DISTINCT x ->> 'kind' FROM jsonb_array_elements(r -> 'jobs') x));
    END IF;
    RETURN jsonb_build_object('existing', answers);
END $$;

-- Jobs go where they go next; held by nobody. `limited` where any of them runs under a limit.
CREATE FUNCTION litink.queue_move(
    the_now timestamptz, ids uuid[], states text[], attempts bigint[], all_crashes bigint[],
    times timestamptz[], errors text[], the_session uuid, hows text[], limited boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
BEGIN
    IF limited THEN
        PERFORM pg_advisory_xact_lock(1819898990, 1);
        UPDATE litink.job_limits l SET running = greatest(l.running - n.count, 0)
        FROM (
            SELECT k.key, count(*) FROM litink.jobs j CROSS JOIN unnest(j.limits) AS k (key)
            WHERE j.id = ANY (ids) AND j.state = 'running' GROUP BY k.key
        ) n
        WHERE l.key = n.key;
    END IF;
    WITH gone AS (
        DELETE FROM litink.jobs j
        USING unnest(ids, states, attempts, all_crashes, times, errors, hows)
            AS m (id, new_state, new_attempt, new_crashes, new_time, new_error, how)
        WHERE j.id = m.id AND m.new_state IN ('completed', 'cancelled', 'discarded')
        RETURNING j.*, m.new_state, m.new_attempt, m.new_crashes, m.new_time, m.new_error, m.how
    )
    INSERT INTO litink.job_history (seq, id, group_id, tenant, token, turn, created_at,
        scheduled_at, attempt, max_attempts, crashes, max_crashes, settled_by, settled_token,
        settled_as, priority, cancel, state, kind, lane, limits, idempotency_key, trace, error,
        args, finished_at)
    SELECT g.seq, g.id, g.group_id, g.tenant, g.token, g.turn, g.created_at, g.new_time,
        g.new_attempt, g.max_attempts, g.new_crashes, g.max_crashes,
        CASE WHEN g.how IS NULL THEN g.settled_by ELSE the_session END,
        CASE WHEN g.how IS NULL THEN g.settled_token ELSE g.token END,
        coalesce(g.how, g.settled_as), g.priority, 0, g.new_state, g.kind, g.lane, g.limits,
        g.idempotency_key, g.trace, coalesce(g.new_error, g.error), g.args, the_now
    FROM gone g;
    UPDATE litink.jobs j
    SET session = NULL, cancel = 0, state = m.state, attempt = m.attempt, crashes = m.crashes,
        scheduled_at = m.time, error = coalesce(m.error, j.error),
        settled_by = CASE WHEN m.how IS NULL THEN j.settled_by ELSE the_session END,
        settled_token = CASE WHEN m.how IS NULL THEN j.settled_token ELSE j.token END,
        settled_as = coalesce(m.how, j.settled_as)
    FROM unnest(ids, states, attempts, all_crashes, times, errors, hows)
        AS m (id, state, attempt, crashes, time, error, how)
    WHERE j.id = m.id AND m.state NOT IN ('completed', 'cancelled', 'discarded');
END $$;

-- Takes from a session what it holds, a thousand at most, and says how many. After a crash, or as
-- if they had never been leased.
CREATE FUNCTION litink.queue_take_back(the_session uuid, crashed boolean, the_now timestamptz)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    m record;
BEGIN
    SELECT count(*) AS count, array_agg(j.id) AS ids,
        array_agg(CASE WHEN crashed AND j.crashes + 1 >= j.max_crashes THEN 'discarded'
            WHEN j.cancel > 0 THEN 'cancelled' ELSE 'available' END) AS states,
        array_agg(greatest(j.attempt - 1, 0)) AS attempts,
        array_agg(j.crashes + crashed::integer) AS crashes,
        array_agg(CASE WHEN crashed AND j.cancel = 0 AND j.crashes + 1 < j.max_crashes THEN the_now
            ELSE j.scheduled_at END) AS times,
        array_agg(CASE WHEN crashed AND j.crashes + 1 >= j.max_crashes
            THEN 'its workers died under it' END) AS errors,
        bool_or(j.limits IS NOT NULL) AS limited
    INTO m FROM (
        SELECT * FROM litink.jobs WHERE session = the_session LIMIT 1000 FOR UPDATE
    ) j;
    IF m.count > 0 THEN
        PERFORM litink.queue_move(the_now, m.ids, m.states, m.attempts, m.crashes, m.times, m.errors,
            NULL, array_fill(NULL::text, ARRAY[m.count::integer]), m.limited);
    END IF;
    RETURN m.count;
END $$;

-- Brings back what sessions held that ended without closing: sixteen sessions at most. Says whether
-- there was any.
CREATE FUNCTION litink.queue_rescue(the_now timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    lost  uuid;
    found_any boolean := false;
BEGIN
    FOR lost IN
        SELECT s.id FROM litink.job_sessions s WHERE s.expires_at <= the_now
        LIMIT 16 FOR UPDATE SKIP LOCKED
    LOOP
        found_any := true;
        IF litink.queue_take_back(lost, true, the_now) < 1000 THEN
            DELETE FROM litink.job_sessions s WHERE s.id = lost;
        END IF;
    END LOOP;
    RETURN found_any;
END $$;

-- Settles what a session holds; says whether others may have something to do now.
--
-- [[id, token, how, after in microseconds, error], ..]
CREATE FUNCTION litink.queue_settle(me uuid, settles jsonb, the_now timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    m record;
BEGIN
    SELECT count(*) AS count, array_agg(j.id) AS ids,
        array_agg(CASE
            WHEN j.how = 'complete' THEN 'completed'
            WHEN j.how = 'cancel' THEN 'cancelled'
            WHEN j.how = 'discard' THEN 'discarded'
            WHEN j.cancel > 0 THEN 'cancelled'
            WHEN j.how = 'retry' AND j.attempt >= j.max_attempts THEN 'discarded'
            WHEN j.how IN ('retry', 'snooze') AND j.after > 0 THEN 'retryable'
            ELSE 'available' END) AS states,
        array_agg(CASE WHEN j.how IN ('snooze', 'release') THEN greatest(j.attempt - 1, 0)
            ELSE j.attempt END) AS attempts,
        array_agg(j.crashes) AS crashes,
        array_agg(CASE WHEN j.how IN ('retry', 'snooze')
            THEN the_now + j.after * interval '1 microsecond'
            ELSE j.scheduled_at END) AS times,
        array_agg(j.why) AS errors, array_agg(j.how) AS hows,
        bool_or(j.limits IS NOT NULL) AS limited, bool_or(j.how <> 'complete') AS back
    INTO m FROM (
        SELECT j.id, j.cancel, j.attempt, j.max_attempts, j.crashes, j.scheduled_at, j.limits,
            s.how, s.after, s.why
        FROM (
            SELECT DISTINCT ON (id) (e.settle ->> 0)::uuid AS id, (e.settle ->> 1)::bigint AS token,
                e.settle ->> 2 AS how, (e.settle ->> 3)::bigint AS after, e.settle ->> 4 AS why
            FROM jsonb_array_elements(settles) WITH ORDINALITY AS e (settle, i)
            WHERE EXISTS (
                SELECT FROM litink.jobs h WHERE h.id = (e.settle ->> 0)::uuid AND h.session = me
                    AND h.token = (e.settle ->> 1)::bigint
            )
            ORDER BY id, e.i
        ) s
        JOIN litink.jobs j ON j.id = s.id
        WHERE j.session = me AND j.token = s.token
        FOR UPDATE OF j
    ) j;
    IF m.count = 0 THEN
        RETURN false;
    END IF;
    PERFORM litink.queue_move(the_now, m.ids, m.states, m.attempts, m.crashes, m.times, m.errors,
        me, m.hows, m.limited);
    RETURN m.back OR m.limited;
END $$;

INSERT INTO litink.migrations (version, name) VALUES (9, 'moves');
