-- What litink expects to find around its tables on a plain PostgreSQL: the roles and the functions
-- that Supabase brings. Idempotent; what is there already is left as it is.
--
-- Roles belong to the whole server. Making `service_role` needs a superuser; somebody else's
-- server is prepared once by its administrator with this file.

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('anon', 'NOLOGIN NOINHERIT'),
        ('authenticated', 'NOLOGIN NOINHERIT'),
        ('service_role', 'NOLOGIN NOINHERIT BYPASSRLS'),
        ('authenticator', 'NOLOGIN NOINHERIT')
    ) AS roles (name, options)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I %s', wanted.name, wanted.options);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- Another database of this server is being prepared at the same moment.
            END;
        END IF;
    END LOOP;
    FOR wanted IN SELECT * FROM (VALUES
        ('anon'), ('authenticated'), ('service_role')
    ) AS roles (name)
    LOOP
        IF NOT pg_has_role('authenticator', wanted.name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO authenticator', wanted.name);
        END IF;
        -- Whoever prepares the database works with it, too.
        IF NOT pg_has_role(session_user, wanted.name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted.name, session_user);
        END IF;
    END LOOP;
END $$;

DO $$
BEGIN
    IF to_regnamespace('auth') IS NULL THEN
        CREATE SCHEMA auth;
    END IF;
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $f$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.sub', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
            )::uuid
        $f$;
    END IF;
    IF to_regprocedure('auth.role()') IS NULL THEN
        CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $f$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim.role', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'
            )
        $f$;
    END IF;
    IF to_regprocedure('auth.jwt()') IS NULL THEN
        CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $f$
            SELECT coalesce(
                nullif(current_setting('request.jwt.claim', true), ''),
                nullif(current_setting('request.jwt.claims', true), '')
            )::jsonb
        $f$;
    END IF;
    IF NOT has_schema_privilege('authenticated', 'auth', 'USAGE') THEN
        GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    END IF;
    IF NOT has_schema_privilege('service_role', 'public', 'USAGE')
        OR NOT has_schema_privilege('authenticated', 'public', 'USAGE')
        OR NOT has_schema_privilege('anon', 'public', 'USAGE') THEN
        GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
    END IF;
END $$;
