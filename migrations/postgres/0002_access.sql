-- Who may do what, by grants and row-level security: true for litink, which takes the role of the
-- user on whose behalf it works, and for whoever comes through a REST interface with a token.
--
-- One permissive policy for each table, role and command. What is not granted is refused, also
-- where the server's defaults grant more.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'books', 'chapters', 'runs', 'steps', 'generations', 'exports', 'accounts', 'sessions'
    ] LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'REVOKE ALL ON public.%I FROM PUBLIC, anon, authenticated, service_role', name);
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO service_role', name);
    END LOOP;
END $$;

-- Users write: their books and chapters. Everybody reads what is published.

GRANT SELECT ON public.books, public.chapters TO anon;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.books, public.chapters TO authenticated;

CREATE POLICY books_anon_select ON public.books FOR SELECT TO anon
    USING (visibility = 'published');
CREATE POLICY books_select ON public.books FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()) OR visibility = 'published');
CREATE POLICY books_insert ON public.books FOR INSERT TO authenticated
    WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY books_update ON public.books FOR UPDATE TO authenticated
    USING (owner = (SELECT auth.uid())) WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY books_delete ON public.books FOR DELETE TO authenticated
    USING (owner = (SELECT auth.uid()));

CREATE POLICY chapters_anon_select ON public.chapters FOR SELECT TO anon
    USING (EXISTS (
        SELECT FROM public.books WHERE books.id = book_id AND books.visibility = 'published'
    ));
CREATE POLICY chapters_select ON public.chapters FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()) OR EXISTS (
        SELECT FROM public.books WHERE books.id = book_id AND books.visibility = 'published'
    ));
CREATE POLICY chapters_insert ON public.chapters FOR INSERT TO authenticated
    WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY chapters_update ON public.chapters FOR UPDATE TO authenticated
    USING (owner = (SELECT auth.uid())) WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY chapters_delete ON public.chapters FOR DELETE TO authenticated
    USING (owner = (SELECT auth.uid()));

-- Users read: what workers write.

GRANT SELECT ON public.runs, public.steps, public.generations, public.exports TO authenticated;

CREATE POLICY runs_select ON public.runs FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()));
CREATE POLICY steps_select ON public.steps FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()));
CREATE POLICY generations_select ON public.generations FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()));
CREATE POLICY exports_select ON public.exports FOR SELECT TO authenticated
    USING (owner = (SELECT auth.uid()));

-- Nobody but litink: what proves who somebody is, and litink's own tables. The policies say so
-- once more, should a grant ever be added by mistake.

CREATE POLICY accounts_nobody ON public.accounts FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);
CREATE POLICY sessions_nobody ON public.sessions FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);

ALTER TABLE litink.commits ENABLE ROW LEVEL SECURITY;
ALTER TABLE litink.migrations ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON litink.commits, litink.migrations
    FROM PUBLIC, anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON litink.commits TO service_role;
GRANT SELECT ON litink.migrations TO service_role;
CREATE POLICY commits_nobody ON litink.commits FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);
CREATE POLICY migrations_nobody ON litink.migrations FOR ALL TO anon, authenticated
    USING (false) WITH CHECK (false);

INSERT INTO litink.migrations (version, name) VALUES (2, 'access');
