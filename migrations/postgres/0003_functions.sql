-- The repository's four verbs, one function each: one JSON object in, one out. The direct backend
-- and the one over REST call the same functions, so one statement is one transaction on both.
--
-- A request that names a user is carried out in the role `authenticated` with that user's claims,
-- so row-level security decides whatever the way here. The role before is taken again at the end;
-- an error takes it back with everything else. Only `service_role` may call them: whoever may
-- call them may name any user.
--
-- What cannot be done is raised as PT404, PT409, PT422 or PT403, which REST interfaces answer with
-- that status; the detail is JSON: the index of the change, the code, and what else is known.

CREATE FUNCTION public.litink_schema_version() RETURNS integer
LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT max(version) FROM litink.migrations
$$;

-- Some servers hand over an object as a string of JSON.
CREATE FUNCTION litink.request(request jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
    SELECT CASE jsonb_typeof(request)
        WHEN 'string' THEN (request #>> '{}')::jsonb
        ELSE request
    END
$$;

-- The name of one of litink's tables, and of no other.
CREATE FUNCTION litink.table_of(request jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = '' AS $$
BEGIN
    IF request ->> 'table' IN (
        'books', 'chapters', 'runs', 'steps', 'generations', 'exports', 'accounts', 'sessions'
    ) THEN
        RETURN request ->> 'table';
    END IF;
    RAISE EXCEPTION 'there is no such table' USING ERRCODE = 'PT422',
        DETAIL = jsonb_build_object('code', 'bad_row');
END $$;

-- {"user", "table", "ids": [..]} -> {"rows": [row or null, ..]}
CREATE FUNCTION public.litink_get_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET "TimeZone" = 'UTC' AS $$
DECLARE
    r        jsonb := litink.request(request);
    the_role text  := current_setting('role');
    claims   text  := current_setting('request.jwt.claims', true);
    sub      text  := current_setting('request.jwt.claim.sub', true);
    the_name text  := litink.table_of(r);
    found    jsonb;
BEGIN
    IF r ->> 'user' IS NOT NULL THEN
        PERFORM set_config('request.jwt.claims', jsonb_build_object(
                'sub', (r ->> 'user')::uuid, 'role', 'authenticated')::text, true),
            set_config('request.jwt.claim.sub', r ->> 'user', true),
            set_config('role', 'authenticated', true);
    END IF;
    EXECUTE format(
        'SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY wanted.place), ''[]'')
         FROM jsonb_array_elements_text($1) WITH ORDINALITY AS wanted (id, place)
         LEFT JOIN public.%I t ON t.id = wanted.id::uuid', the_name)
        INTO found USING r -> 'ids';
    PERFORM set_config('role', the_role, true),
        set_config('request.jwt.claims', coalesce(claims, ''), true),
        set_config('request.jwt.claim.sub', coalesce(sub, ''), true);
    RETURN jsonb_build_object('rows', found);
END $$;

-- The condition of a query, as SQL about the table `t`. All values are quoted here.
--
-- A row has its parent's owner, and saying so lets the index on both columns bring rows in order.
CREATE FUNCTION litink.condition(r jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT coalesce(string_agg(part, ' AND '), 'true') FROM (VALUES
        (CASE WHEN r ->> 'owner' IS NOT NULL THEN
            format('t.owner = %L', (r ->> 'owner')::uuid) END),
        (CASE WHEN r -> 'parent' ->> 'id' IS NOT NULL THEN
            format('t.%1$I = %2$L AND t.owner = (SELECT p.owner FROM public.%3$I p WHERE p.id = %2$L)',
                r -> 'parent' ->> 'column', (r -> 'parent' ->> 'id')::uuid,
                litink.table_of(r -> 'parent')) END),
        (CASE WHEN jsonb_array_length(r -> 'states') > 0 THEN
            format('t.state = ANY (%L)',
                ARRAY(SELECT jsonb_array_elements_text(r -> 'states'))) END),
        (CASE WHEN r ->> 'idle_us' IS NOT NULL THEN
            format('t.updated_at <= %L', clock_timestamp()
                - (r ->> 'idle_us')::bigint * interval '1 microsecond') END),
        (CASE
            WHEN r -> 'matching' ->> 'column' IS NULL THEN NULL
            WHEN r -> 'matching' ->> 'value' IS NULL THEN
                format('t.%I IS NULL', r -> 'matching' ->> 'column')
            ELSE format('t.%I = %L',
                r -> 'matching' ->> 'column', r -> 'matching' ->> 'value') END),
        (CASE WHEN r -> 'after' ->> 'id' IS NOT NULL THEN
            format('(t.%I, t.id) %s (%L, %L)',
                CASE r ->> 'order' WHEN 'position' THEN 'position' ELSE 'created_at' END,
                CASE r ->> 'order' WHEN 'newest' THEN '<' ELSE '>' END,
                r -> 'after' ->> 'key', (r -> 'after' ->> 'id')::uuid) END)
    ) AS parts (part)
$$;

-- {"user", "table", "columns": [..], "owner", "parent": {"column", "table", "id"}, "states": [..],
--  "idle_us", "matching": {"column", "value"}, "order": "newest" | "oldest" | "position",
--  "after": {"key", "id"}, "limit"} -> {"items": [row, ..], "more"}
CREATE FUNCTION public.litink_list_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET "TimeZone" = 'UTC' AS $$
DECLARE
    r        jsonb  := litink.request(request);
    the_role text   := current_setting('role');
    claims   text   := current_setting('request.jwt.claims', true);
    sub      text   := current_setting('request.jwt.claim.sub', true);
    the_name text   := litink.table_of(r);
    wanted   text   := litink.condition(r);
    most     bigint := least(greatest((r ->> 'limit')::bigint, 1), 1000);
    found    jsonb;
    count    bigint;
BEGIN
    IF r ->> 'user' IS NOT NULL THEN
        PERFORM set_config('request.jwt.claims', jsonb_build_object(
                'sub', (r ->> 'user')::uuid, 'role', 'authenticated')::text, true),
            set_config('request.jwt.claim.sub', r ->> 'user', true),
            set_config('role', 'authenticated', true);
    END IF;
    EXECUTE format(
        'SELECT coalesce(jsonb_agg(to_jsonb(f)), ''[]''), count(*)
         FROM (SELECT %s FROM public.%I t WHERE %s ORDER BY %s LIMIT %s) f',
        (SELECT string_agg(format('t.%I', name), ', ' ORDER BY place)
            FROM jsonb_array_elements_text(r -> 'columns') WITH ORDINALITY AS c (name, place)),
        the_name, wanted,
        CASE r ->> 'order'
            WHEN 'position' THEN 't.position, t.id'
            WHEN 'oldest' THEN 't.created_at, t.id'
            ELSE 't.created_at DESC, t.id DESC'
        END, most + 1)
        INTO found, count;
    PERFORM set_config('role', the_role, true),
        set_config('request.jwt.claims', coalesce(claims, ''), true),
        set_config('request.jwt.claim.sub', coalesce(sub, ''), true);
    IF count > most THEN
        found := found - most::integer;
    END IF;
    RETURN jsonb_build_object('items', found, 'more', count > most);
END $$;

-- As a list's request, with {"by": [..], "sum": [..]}
--     -> {"groups": [{"by": [..], "count", "sums": [..]}, ..]}, by position where there is one.
CREATE FUNCTION public.litink_tally_v1(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET "TimeZone" = 'UTC' AS $$
DECLARE
    r          jsonb := litink.request(request);
    the_role   text  := current_setting('role');
    claims     text  := current_setting('request.jwt.claims', true);
    sub        text  := current_setting('request.jwt.claim.sub', true);
    the_name   text  := litink.table_of(r);
    wanted     text  := litink.condition(r);
    by_columns text;
    sums       text;
    found      jsonb;
BEGIN
    SELECT string_agg(format('t.%I', name), ', ' ORDER BY place) INTO by_columns
        FROM jsonb_array_elements_text(r -> 'by') WITH ORDINALITY AS c (name, place);
    SELECT string_agg(format(
            'least(greatest(coalesce(sum(t.%I), 0), -9223372036854775808), 9223372036854775807)',
            name), ', ' ORDER BY place) INTO sums
        FROM jsonb_array_elements_text(r -> 'sum') WITH ORDINALITY AS c (name, place);
    IF r ->> 'user' IS NOT NULL THEN
        PERFORM set_config('request.jwt.claims', jsonb_build_object(
                'sub', (r ->> 'user')::uuid, 'role', 'authenticated')::text, true),
            set_config('request.jwt.claim.sub', r ->> 'user', true),
            set_config('role', 'authenticated', true);
    END IF;
    EXECUTE format(
        'SELECT coalesce(jsonb_agg(f.found ORDER BY f.place), ''[]'') FROM (
            SELECT jsonb_build_object(
                    ''by'', jsonb_build_array(%1$s), ''count'', count(*),
                    ''sums'', jsonb_build_array(%2$s)) AS found, %3$s AS place
            FROM public.%4$I t WHERE %5$s %6$s HAVING count(*) > 0) f',
        coalesce(by_columns, ''), coalesce(sums, ''),
        CASE WHEN r ->> 'order' = 'position' THEN 'min(t.position)' ELSE '0' END,
        the_name, wanted, coalesce('GROUP BY ' || by_columns, ''))
        INTO found;
    PERFORM set_config('role', the_role, true),
        set_config('request.jwt.claims', coalesce(claims, ''), true),
        set_config('request.jwt.claim.sub', coalesce(sub, ''), true);
    RETURN jsonb_build_object('groups', found);
END $$;

INSERT INTO litink.migrations (version, name) VALUES (3, 'functions');
