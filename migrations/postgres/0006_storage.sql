-- Supabase Storage keeps its objects as rows, so the same rules hold for them: who comes with a
-- token reaches `users/{id}/` of litink's bucket, and writes the areas that litink has there.
--
-- Nothing is done where there is no Storage, as on a plain PostgreSQL. What others granted or
-- allowed in that schema is theirs: nothing is revoked, replaced or dropped.

-- Secures a bucket, and makes it where it is missing; says whether there is a Storage at all.
-- Safe to repeat: after Storage came to a database that had none, or for a bucket of another name.
CREATE FUNCTION litink.secure_storage(bucket text DEFAULT 'books') RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = '' AS $$
DECLARE
    within text := format(
        'bucket_id = %L AND starts_with(name, ''users/'' || (SELECT auth.uid())::text || ''/'')',
        bucket);
    area   text := ' AND split_part(name, ''/'', 3) IN '
        '(''books'', ''covers'', ''audio'', ''images'', ''videos'', ''exports'')';
    wanted record;
BEGIN
    IF to_regclass('storage.objects') IS NULL OR to_regclass('storage.buckets') IS NULL THEN
        RETURN false;
    END IF;

    -- On Supabase they belong to somebody else, have this already, and may not be altered.
    FOR wanted IN SELECT c.oid::regclass AS place FROM pg_catalog.pg_class c
        WHERE c.oid IN ('storage.objects'::regclass, 'storage.buckets'::regclass)
        AND NOT c.relrowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', wanted.place);
    END LOOP;
    FOR wanted IN SELECT * FROM (VALUES ('authenticated'), ('service_role')) AS roles (role)
    LOOP
        IF NOT has_schema_privilege(wanted.role, 'storage', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA storage TO %I', wanted.role);
        END IF;
    END LOOP;
    FOR wanted IN SELECT * FROM (VALUES
        ('authenticated', 'storage.objects', 'SELECT'),
        ('authenticated', 'storage.objects', 'INSERT'),
        ('authenticated', 'storage.objects', 'UPDATE'),
        ('authenticated', 'storage.objects', 'DELETE'),
        ('authenticated', 'storage.buckets', 'SELECT'),
        ('service_role', 'storage.objects', 'SELECT'),
        ('service_role', 'storage.objects', 'INSERT'),
        ('service_role', 'storage.objects', 'UPDATE'),
        ('service_role', 'storage.objects', 'DELETE'),
        ('service_role', 'storage.buckets', 'SELECT')
    ) AS rights (role, place, verb)
    LOOP
        IF NOT has_table_privilege(wanted.role, wanted.place, wanted.verb) THEN
            EXECUTE format('GRANT %s ON %s TO %I', wanted.verb, wanted.place, wanted.role);
        END IF;
    END LOOP;

    -- One permissive policy for each command; what nobody allows is refused.
    FOR wanted IN
        SELECT left(rules.name || bucket, 63) AS name, rules.place, rules.rule FROM (VALUES
            ('litink_select_', 'storage.objects',
                format('FOR SELECT TO authenticated USING (%s)', within)),
            ('litink_insert_', 'storage.objects',
                format('FOR INSERT TO authenticated WITH CHECK (%s%s)', within, area)),
            ('litink_update_', 'storage.objects',
                format('FOR UPDATE TO authenticated USING (%1$s) WITH CHECK (%1$s%2$s)',
                    within, area)),
            ('litink_delete_', 'storage.objects',
                format('FOR DELETE TO authenticated USING (%s)', within)),
            ('litink_bucket_', 'storage.buckets',
                format('FOR SELECT TO authenticated USING (id = %L)', bucket))
        ) AS rules (name, place, rule)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy p
            WHERE p.polrelid = wanted.place::regclass AND p.polname = wanted.name)
        THEN
            EXECUTE format('CREATE POLICY %I ON %s %s', wanted.name, wanted.place, wanted.rule);
        END IF;
    END LOOP;

    -- Private; a bucket that is there stays as it is.
    INSERT INTO storage.buckets (id, name, public) VALUES (bucket, bucket, false)
        ON CONFLICT DO NOTHING;
    RETURN true;
END $$;

REVOKE EXECUTE ON FUNCTION litink.secure_storage(text)
    FROM PUBLIC, anon, authenticated, service_role;

SELECT litink.secure_storage();

INSERT INTO litink.migrations (version, name) VALUES (6, 'storage');
