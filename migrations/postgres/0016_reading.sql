-- What else a book says of itself, and how sure its reader was. Null for books that were imported
-- before.

ALTER TABLE public.books
    ADD COLUMN identifiers jsonb,
    ADD COLUMN series      jsonb,
    ADD COLUMN decisions   jsonb;

INSERT INTO litink.migrations (version, name) VALUES (16, 'reading');
