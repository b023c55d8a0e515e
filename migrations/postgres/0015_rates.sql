-- Rates that many processes keep together. A key is a row of the cache; a limit is the time until when
-- all that was taken from it is paid for, in microseconds since 1970.

-- {"key", "call", "max_wait", "throttle", "limits": [{"name", "window", "add", "least"}]}, times in
-- microseconds -> {"admitted", "wait"}
CREATE FUNCTION litink.cache_rate(request jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = '' SET enable_seqscan = off AS $$
DECLARE
    r         jsonb  := litink.request(request);
    -- No key of anybody's begins like this.
    the_key   text   := E'\x01rate:' || (r ->> 'key');
    the_call  uuid   := r ->> 'call';
    known     litink.cache;
    state     jsonb;
    answer    jsonb;
    step      jsonb;
    the_now   bigint;
    throttled bigint;
    before    bigint;
    after     bigint;
    ends      bigint;
    till      bigint;
    admitted  boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO litink.cache (key, value, expires_at, call)
        VALUES (the_key, convert_to('{}', 'UTF8'), clock_timestamp() + interval '1 hour', the_call)
        ON CONFLICT (key) DO NOTHING;
    SELECT * INTO known FROM litink.cache c WHERE c.key = the_key FOR UPDATE;
    IF known.key IS NULL THEN
        RAISE EXCEPTION 'the rate was just forgotten; try again' USING ERRCODE = '40001';
    END IF;
    -- The time after the lock: whoever was before us had an earlier one.
    the_now := extract(epoch FROM clock_timestamp()) * 1000000;
    state := convert_from(known.value, 'UTF8')::jsonb;
    IF known.call = the_call AND state ? 'answer' THEN
        RETURN state -> 'answer';
    END IF;
    throttled := coalesce((state ->> 'throttled')::bigint, 0);
    IF (r ->> 'throttle')::bigint > 0 THEN
        throttled := greatest(throttled, the_now + (r ->> 'throttle')::bigint);
    END IF;
    before := throttled - the_now;
    after := before;
    FOR step IN SELECT * FROM jsonb_array_elements(r -> 'limits') LOOP
        till := greatest(coalesce((state -> 'limits' ->> (step ->> 'name'))::bigint, the_now), the_now,
            the_now + (step ->> 'least')::bigint);
        IF (step ->> 'add')::bigint > 0 THEN
            before := greatest(before, till - (step ->> 'window')::bigint - the_now);
            after := greatest(after,
                till + (step ->> 'add')::bigint - (step ->> 'window')::bigint - the_now);
        END IF;
    END LOOP;
    admitted := before <= (r ->> 'max_wait')::bigint;
    ends := throttled;
    state := jsonb_build_object('throttled', throttled, 'limits', coalesce(state -> 'limits', '{}'));
    FOR step IN SELECT * FROM jsonb_array_elements(r -> 'limits') LOOP
        till := greatest(coalesce((state -> 'limits' ->> (step ->> 'name'))::bigint, the_now), the_now,
            the_now + (step ->> 'least')::bigint);
        IF admitted OR (step ->> 'add')::bigint < 0 THEN
            till := till + (step ->> 'add')::bigint;
        END IF;
        state := jsonb_set(state, ARRAY['limits', step ->> 'name'], to_jsonb(till));
    END LOOP;
    SELECT greatest(ends, max(value::bigint)) INTO ends FROM jsonb_each_text(state -> 'limits');
    answer := jsonb_build_object('admitted', admitted,
        'wait', greatest(0, CASE WHEN admitted THEN after ELSE before END));
    UPDATE litink.cache c
        SET value = convert_to((state || jsonb_build_object('answer', answer))::text, 'UTF8'),
            expires_at = to_timestamp(ends / 1000000.0) + interval '1 second', call = the_call
        WHERE c.key = the_key;
    RETURN answer;
END $$;

REVOKE ALL ON FUNCTION litink.cache_rate(jsonb) FROM PUBLIC, anon, authenticated;
GRANT EXECUTE ON FUNCTION litink.cache_rate(jsonb) TO service_role;

INSERT INTO litink.migrations (version, name) VALUES (15, 'rates');
