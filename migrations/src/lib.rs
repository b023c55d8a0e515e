//! litink's database migrations, as files under `sqlite/` and, embedded, as data.
