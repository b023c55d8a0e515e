-- The repository's commit: changes in their order, all or none, once for each key.
--
-- {"user", "key", "call", "keep_s", "changes": [
--     {"op": "insert", "table", "row": {..}},
--     {"op": "update", "table", "id", "version", "set": {..}},
--     {"op": "increment", "table", "id", "column", "by", "minimum"},
--     {"op": "check", "table", "id", "states": [..]},
--     {"op": "delete", "table", "id", "version"}
-- ]} -> {"versions": [..], "values": [..], "replayed"}
--
-- `call` says which attempt this is: where the answer to an attempt was lost, the next one of the
-- same call is not `replayed`, since it asks after its own commit. `values` has the new value of
-- each increment, else null.

CREATE FUNCTION public.litink_commit_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET "TimeZone" = 'UTC' AS $$
#variable_conflict use_variable
DECLARE
    r         jsonb := litink.request(request);
    the_role  text  := current_setting('role');
    claims    text  := current_setting('request.jwt.claims', true);
    sub       text  := current_setting('request.jwt.claim.sub', true);
    the_user  uuid  := r ->> 'user';
    the_actor uuid  := coalesce(the_user, '00000000-0000-0000-0000-000000000000'::uuid);
    the_key   uuid  := r ->> 'key';
    the_call  uuid  := r ->> 'call';
    part      record;
    the_name  text;
    the_id    uuid;
    names     text;
    place     bigint;
    version   bigint;
    value     bigint;
    found_at  bigint;
    holds     boolean;
    versions  bigint[] := '{}';
    values_   bigint[] := '{}';
    outcome   jsonb;
BEGIN
    IF the_key IS NOT NULL THEN
        -- Waits for another commit under this key that is on its way.
        INSERT INTO litink.commits AS c (actor, key, call, expires_at)
            VALUES (the_actor, the_key, the_call, clock_timestamp()
                + coalesce((r ->> 'keep_s')::integer, 172800) * interval '1 second')
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT c.outcome || jsonb_build_object('replayed', c.call IS DISTINCT FROM the_call)
                INTO outcome FROM litink.commits c
                WHERE c.actor = the_actor AND c.key = the_key;
            IF outcome IS NULL THEN
                RAISE EXCEPTION 'the key just expired; try again' USING ERRCODE = '40001';
            END IF;
            RETURN outcome;
        END IF;
    END IF;

    BEGIN
        IF the_user IS NOT NULL THEN
            PERFORM set_config('request.jwt.claims', jsonb_build_object(
                    'sub', the_user, 'role', 'authenticated')::text, true),
                set_config('request.jwt.claim.sub', the_user::text, true),
                set_config('role', 'authenticated', true);
        END IF;

        -- One part for each change, but neighbouring inserts into one table together.
        FOR part IN
            SELECT min(c.i) AS first, count(*) AS count, c.op, c.name,
                (array_agg(c.change))[1] AS change,
                CASE c.op WHEN 'insert' THEN jsonb_agg(c.change -> 'row' ORDER BY c.i) END AS rows
            FROM (
                SELECT e.i - 1 AS i, e.change, e.change ->> 'op' AS op, e.change ->> 'table' AS name,
                    e.i - row_number() OVER (
                        PARTITION BY e.change ->> 'op', e.change ->> 'table' ORDER BY e.i
                    ) AS run
                FROM jsonb_array_elements(r -> 'changes') WITH ORDINALITY AS e (change, i)
            ) c
            GROUP BY c.op, c.name, CASE c.op WHEN 'insert' THEN c.run ELSE c.i END
            ORDER BY 1
        LOOP
            place := part.first;
            -- As `litink.table_of`, which a user's role may not call.
            IF part.name IS NULL OR part.name NOT IN ('books', 'chapters', 'runs', 'steps',
                'generations', 'exports', 'accounts', 'sessions') THEN
                RAISE EXCEPTION 'there is no such table' USING ERRCODE = '22023';
            END IF;
            the_name := part.name;
            the_id := part.change ->> 'id';
            version := NULL;
            value := NULL;
            CASE part.op
            WHEN 'insert' THEN
                SELECT string_agg(format('%I', k), ', ') INTO names
                    FROM jsonb_object_keys(part.rows -> 0) k;
                names := format('INSERT INTO public.%1$I (%2$s) SELECT %2$s
                    FROM jsonb_populate_recordset(null::public.%1$I, $1)', the_name, names);
                IF part.count = 1 THEN
                    EXECUTE names USING part.rows;
                ELSE
                    BEGIN
                        EXECUTE names USING part.rows;
                    EXCEPTION
                        WHEN integrity_constraint_violation OR data_exception
                            OR insufficient_privilege THEN
                        -- One by one, to find which.
                        FOR i IN 0 .. part.count - 1 LOOP
                            place := part.first + i;
                            EXECUTE names USING jsonb_build_array(part.rows -> i::integer);
                        END LOOP;
                    END;
                END IF;
                versions := versions || array_fill(1::bigint, ARRAY[part.count::integer]);
                values_ := values_ || array_fill(null::bigint, ARRAY[part.count::integer]);
                CONTINUE;
            WHEN 'update' THEN
                SELECT string_agg(format('%1$I = f.%1$I', k), ', ') INTO names
                    FROM jsonb_object_keys(part.change -> 'set') k;
                EXECUTE format('UPDATE public.%1$I t SET %2$s
                    FROM jsonb_populate_record(null::public.%1$I, $1) f
                    WHERE t.id = $2 AND t.version = $3 AND ($4 IS NULL OR t.owner = $4)
                    RETURNING t.version', the_name, coalesce(names, 'version = t.version'))
                    INTO version
                    USING part.change -> 'set', the_id, (part.change ->> 'version')::bigint, the_user;
            WHEN 'increment' THEN
                EXECUTE format('UPDATE public.%1$I t SET %2$I = t.%2$I + $1
                    WHERE t.id = $2 AND ($3 IS NULL OR t.%2$I + $1 >= $3)
                    AND ($4 IS NULL OR t.owner = $4)
                    RETURNING t.version, t.%2$I', the_name, part.change ->> 'column')
                    INTO version, value
                    USING (part.change ->> 'by')::bigint, the_id,
                        (part.change ->> 'minimum')::bigint, the_user;
            WHEN 'check' THEN
                -- Shared: others may check, nobody may change it before this commit is done.
                EXECUTE format('SELECT t.version, t.state = ANY ($1) FROM public.%I t
                    WHERE t.id = $2 AND ($3 IS NULL OR t.owner = $3) FOR SHARE', the_name)
                    INTO version, holds
                    USING ARRAY(SELECT jsonb_array_elements_text(part.change -> 'states')),
                        the_id, the_user;
                IF NOT holds THEN
                    version := NULL;
                END IF;
            WHEN 'delete' THEN
                EXECUTE format('DELETE FROM public.%I t
                    WHERE t.id = $1 AND ($2 IS NULL OR t.version = $2)
                    AND ($3 IS NULL OR t.owner = $3) RETURNING 0', the_name)
                    INTO version
                    USING the_id, (part.change ->> 'version')::bigint, the_user;
            ELSE
                RAISE EXCEPTION 'there is no such change' USING ERRCODE = '22023';
            END CASE;
            IF version IS NULL THEN
                EXECUTE format('SELECT t.version FROM public.%I t
                    WHERE t.id = $1 AND ($2 IS NULL OR t.owner = $2)', the_name)
                    INTO found_at USING the_id, the_user;
                IF found_at IS NULL THEN
                    RAISE EXCEPTION 'there is no such row' USING ERRCODE = 'PT404',
                        DETAIL = jsonb_build_object('change', place, 'code', 'not_found');
                END IF;
                RAISE EXCEPTION 'the row is not as expected' USING ERRCODE = 'PT409',
                    DETAIL = jsonb_build_object('change', place, 'version', found_at,
                        'code', CASE part.op WHEN 'increment' THEN 'below_minimum'
                            WHEN 'check' THEN 'other_state' ELSE 'version_conflict' END);
            END IF;
            versions := versions || version;
            values_ := values_ || value;
        END LOOP;
    EXCEPTION
        -- Never the server's own message: it may hold what a row holds.
        WHEN unique_violation THEN
            RAISE EXCEPTION 'there is a row with this id' USING ERRCODE = 'PT409',
                DETAIL = jsonb_build_object('change', place, 'code', 'already_exists');
        WHEN foreign_key_violation THEN
            RAISE EXCEPTION 'there is no such row to belong to' USING ERRCODE = 'PT404',
                DETAIL = jsonb_build_object('change', place, 'code', 'no_parent');
        WHEN insufficient_privilege THEN
            RAISE EXCEPTION 'this user may not do this' USING ERRCODE = 'PT403',
                DETAIL = jsonb_build_object('change', place, 'code', 'permission_denied');
        WHEN integrity_constraint_violation OR data_exception OR undefined_column
            OR datatype_mismatch OR undefined_function OR generated_always THEN
            RAISE EXCEPTION 'a column does not fit the schema' USING ERRCODE = 'PT422',
                DETAIL = jsonb_build_object('change', place, 'code', 'bad_row', 'state', SQLSTATE);
    END;
    PERFORM set_config('role', the_role, true),
        set_config('request.jwt.claims', coalesce(claims, ''), true),
        set_config('request.jwt.claim.sub', coalesce(sub, ''), true);

    outcome := jsonb_build_object(
        'versions', to_jsonb(versions), 'values', to_jsonb(values_), 'replayed', false);
    IF the_key IS NOT NULL THEN
        UPDATE litink.commits c SET outcome = outcome
            WHERE c.actor = the_actor AND c.key = the_key;
        -- A few at a time, so that nobody pays for a day's worth.
        DELETE FROM litink.commits c WHERE c.ctid = ANY (ARRAY(
            SELECT old.ctid FROM litink.commits old WHERE old.expires_at < clock_timestamp()
            ORDER BY old.expires_at LIMIT 8 FOR UPDATE SKIP LOCKED));
    END IF;
    RETURN outcome;
END $$;

-- Only litink: whoever calls these may name any user.
REVOKE EXECUTE ON FUNCTION
    public.litink_schema_version(), public.litink_get_v1(jsonb), public.litink_list_v1(jsonb),
    public.litink_tally_v1(jsonb), public.litink_commit_v1(jsonb), litink.request(jsonb),
    litink.table_of(jsonb), litink.condition(jsonb)
    FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION
    public.litink_schema_version(), public.litink_get_v1(jsonb), public.litink_list_v1(jsonb),
    public.litink_tally_v1(jsonb), public.litink_commit_v1(jsonb), litink.request(jsonb),
    litink.table_of(jsonb), litink.condition(jsonb)
    TO service_role;

INSERT INTO litink.migrations (version, name) VALUES (4, 'commit');
