-- What else a book says of itself, and how sure its reader was. Null for books that were imported
-- before.

ALTER TABLE books ADD COLUMN identifiers TEXT;
ALTER TABLE books ADD COLUMN series TEXT;
ALTER TABLE books ADD COLUMN decisions TEXT;
