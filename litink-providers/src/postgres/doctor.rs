//! What `litink doctor` looks at: the server, the tables, litink's rights, and that others have no
//! more than they should.

use litink_core::{
    Error, ErrorKind, Result,
    backend::Check,
    domain::Timestamp,
    schema::{Access, Published, TABLES, TableDef},
};
use serde::Deserialize;
use serde_json::json;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::{PostgresDatabase, error};

/// What litink's statements need; also the oldest that its makers still mend.
const OLDEST: u32 = 14;

/// Roles that come with a token or without one.
const OTHERS: [&str; 2] = ["anon", "authenticated"];

/// What the catalogue says, as `LOOK` brings it.
#[derive(Debug, Deserialize)]
pub(super) struct Looked {
    version: String,
    number: u32,
    now: Timestamp,
    /// The login.
    login: String,
    /// Whether litink's role is above row-level security.
    bypasses: bool,
    /// Columns of the schema that are not there.
    columns: Vec<String>,
    /// What litink's role may not do.
    lacking: Vec<String>,
}

const LOOK: &str = "
    SELECT jsonb_build_object(
        'version', current_setting('server_version'),
        'number', current_setting('server_version_num')::int / 10000,
        'now', clock_timestamp(),
        'login', session_user,
        'bypasses', (SELECT rolbypassrls OR rolsuper FROM pg_catalog.pg_roles
            WHERE rolname = current_user),
        'columns', ARRAY(
            SELECT wanted FROM jsonb_array_elements_text($1 -> 'columns') wanted
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = to_regclass('public.' || split_part(wanted, '.', 1))
                AND a.attname = split_part(wanted, '.', 2) AND NOT a.attisdropped)),
        'lacking', ARRAY(
            SELECT verb || ' on ' || place FROM jsonb_array_elements_text($1 -> 'tables') place
            CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) verb
            WHERE to_regclass(place) IS NOT NULL
            AND NOT has_table_privilege(to_regclass(place)::oid, verb)
            UNION ALL
            SELECT 'EXECUTE on ' || p.oid::regprocedure FROM pg_catalog.pg_proc p
            WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'litink\\_%'
            AND NOT has_function_privilege(p.oid, 'EXECUTE')
            UNION ALL
            SELECT 'the role ' || role FROM unnest('{anon,authenticated}'::text[]) role
            WHERE NOT pg_has_role(session_user, role, 'MEMBER')))";

/// What stands open: tables without row-level security, rights that litink did not give, and
/// litink's rules of Storage that are not there.
#[derive(Debug, Deserialize)]
struct Open {
    tables: Vec<String>,
    rights: Vec<String>,
    /// Whether there is a Storage, and whether its rules are.
    storage: bool,
    secured: bool,
    /// What of litink's tables each other role may read at all.
    readable: Vec<(String, String)>,
}

const OPEN: &str = "
    SELECT jsonb_build_object(
        'tables', ARRAY(
            SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT c.relrowsecurity AND c.relkind IN ('r', 'p') AND (
                n.nspname = 'litink' OR n.nspname = 'storage' AND c.relname = 'objects'
                OR n.nspname = 'public' AND c.relname IN (
                    SELECT jsonb_array_elements_text($1 -> 'tables')))
            ORDER BY 1),
        'rights', ARRAY(
            SELECT role || ': ' || verb || ' on ' || name
            FROM jsonb_array_elements_text($1 -> 'tables') name
            CROSS JOIN unnest('{anon,authenticated}'::text[]) role
            CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) verb
            WHERE has_table_privilege(role, to_regclass('public.' || name)::oid, verb)
            AND NOT $1 -> 'granted' ? (role || ' ' || verb || ' ' || name)
            UNION ALL
            SELECT role || ': EXECUTE on ' || p.proname FROM pg_catalog.pg_proc p
            CROSS JOIN unnest('{anon,authenticated}'::text[]) role
            WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'litink\\_%'
            AND has_function_privilege(role, p.oid, 'EXECUTE')),
        'storage', EXISTS (SELECT FROM pg_catalog.pg_tables
            WHERE schemaname = 'storage' AND tablename = 'objects'),
        'secured', (SELECT count(*) FROM pg_catalog.pg_policies
            WHERE schemaname = 'storage' AND policyname LIKE 'litink\\_%') >= 5,
        'readable', coalesce((
            SELECT jsonb_agg(jsonb_build_array(role, name))
            FROM jsonb_array_elements_text($1 -> 'tables') name
            CROSS JOIN unnest('{anon,authenticated}'::text[]) role
            WHERE has_table_privilege(role, to_regclass('public.' || name)::oid, 'SELECT')), '[]'))";

/// Buckets with litink's rules that are read without any.
const PUBLIC: &str = "
    SELECT to_jsonb(ARRAY(
        SELECT b.id FROM storage.buckets b WHERE b.public AND $1 IS NOT NULL AND EXISTS (
            SELECT FROM pg_catalog.pg_policies p WHERE p.schemaname = 'storage'
            AND p.policyname = left('litink_select_' || b.id, 63))))";

impl Looked {
    /// As checks; the clock was read between two moments here.
    pub(super) fn checks(self, before: Timestamp, after: Timestamp) -> Vec<Check> {
        let version = if self.number < OLDEST {
            Err(Error::new(
                ErrorKind::Configuration,
                "the server is older than litink can use; move to PostgreSQL 14 or later",
            )
            .with_code("database_too_old")
            .with_context("version", &self.version))
        } else {
            Ok(self.version)
        };
        let mut checks = vec![
            Check::new(Check::VERSION, version),
            Check::clock(self.now, before, after),
        ];
        if !self.columns.is_empty() {
            let error = Error::new(
                ErrorKind::Configuration,
                "columns are not there that the schema's version promises; restore the database from \
                 its backup, or add them as in litink's migrations",
            );
            let error = error.with_code("schema_differs");
            let error = error.with_context("missing", self.columns.join(", "));
            checks.push(Check::new(Check::SCHEMA, Err(error)));
        }
        let lacking = match self.bypasses {
            true => self.lacking,
            false => [vec!["BYPASSRLS for service_role".to_owned()], self.lacking].concat(),
        };
        let rights = if lacking.is_empty() {
            Ok(format!("{} works as service_role", self.login))
        } else {
            Err(Error::new(
                ErrorKind::Configuration,
                "rights are missing that the migrations gave; let the owner of the tables GRANT them \
                 to service_role, and the roles to this login",
            )
            .with_code("rights_missing")
            .with_context("login", &self.login)
            .with_context("missing", lacking.join(", ")))
        };
        checks.push(Check::new(Check::RIGHTS, rights));
        checks
    }
}

impl PostgresDatabase {
    pub(super) async fn look(&self) -> Result<Looked> {
        let columns = TABLES.iter().flat_map(|def| {
            let name = def.name;
            def.columns()
                .map(move |column| format!("{name}.{}", column.name))
        });
        let own = ["litink.commits", "litink.events"].map(str::to_owned);
        let tables = TABLES.iter().map(|def| format!("public.{}", def.name));
        let asked = json!({
            "columns": columns.collect::<Vec<_>>(),
            "tables": tables.chain(own).collect::<Vec<_>>(),
        });
        self.ask(LOOK, &asked).await
    }

    /// Whether users see and may do what they should and no more: by the catalogue, and by looking
    /// as a visitor and as a user whom nobody knows.
    pub(super) async fn row_security(&self) -> Result<String> {
        let open: Open = self.ask(OPEN, &asked_about_others()).await?;
        if !open.tables.is_empty() {
            return Err(wrong(
                "row_security_off",
                "tables have no row-level security, so a token of any user reads them through a REST \
                 interface; run `ALTER TABLE ... ENABLE ROW LEVEL SECURITY` for each",
            )
            .with_context("tables", open.tables.join(", ")));
        }
        if !open.rights.is_empty() {
            return Err(wrong(
                "rights_excess",
                "anon or authenticated may do what litink's migrations do not allow; REVOKE it",
            )
            .with_context("rights", open.rights.join(", ")));
        }
        let mut seen = Vec::new();
        for (role, name) in &open.readable {
            let def = TABLES.iter().find(|def| def.name == name);
            if let Some(def) = def
                && self.sees_others(role, def).await?
            {
                seen.push(format!("{role}: {name}"));
            }
        }
        if !seen.is_empty() {
            return Err(wrong(
                "row_security_leaks",
                "rows of others that are not published can be read; drop the policies that were added \
                 to litink's tables (`select * from pg_policies`)",
            )
            .with_context("readable", seen.join(", ")));
        }
        if open.storage && !open.secured {
            return Err(wrong(
                "storage_not_secured",
                "Storage has none of litink's rules, so nobody reaches their objects with a token, or \
                 by others' rules; run `select litink.secure_storage('BUCKET')` as the owner",
            ));
        }
        if open.storage {
            let public: Vec<String> = self.ask(PUBLIC, &json!(null)).await?;
            if !public.is_empty() {
                return Err(wrong(
                    "bucket_public",
                    "a bucket of litink's is public, so whoever has an object's address needs no \
                     token; make it private (`update storage.buckets set public = false`)",
                )
                .with_context("buckets", public.join(", ")));
            }
        }
        Ok(match open.storage {
            true => "on for every table and for Storage; others' rows cannot be seen".into(),
            false => "on for every table; others' rows cannot be seen".into(),
        })
    }

    /// Whether a role with a new user's claims is shown a row that is not published.
    async fn sees_others(&self, role: &str, def: &TableDef) -> Result<bool> {
        let hidden = match def.published {
            Published::Never => "true",
            Published::ByRow => "t.visibility <> 'published'",
            Published::WithParent => {
                "NOT EXISTS (SELECT FROM public.books b
                    WHERE b.id = t.book_id AND b.visibility = 'published')"
            }
        };
        let name = def.name;
        // A policy that leaks shows the first rows, too.
        let sql = format!(
            "SELECT EXISTS (SELECT FROM (
                SELECT * FROM public.{name} LIMIT 1000) t WHERE {hidden})"
        );
        let claims = json!({ "sub": uuid::Uuid::new_v4(), "role": role }).to_string();
        let mut transaction = self.begin().await?;
        let look = async |transaction: &mut Transaction<'static, Postgres>| {
            sqlx::query(
                "SELECT set_config('request.jwt.claims', $1, true), set_config('role', $2, true)",
            )
            .bind(claims)
            .bind(role)
            .persistent(false)
            .execute(&mut **transaction)
            .await?;
            sqlx::query_scalar(AssertSqlSafe(sql))
                .persistent(false)
                .fetch_one(&mut **transaction)
                .await
        };
        let seen = look(&mut transaction).await;
        transaction.rollback().await.ok();
        seen.map_err(|error| error::judge(error).error())
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        statement: &'static str,
        asked: &serde_json::Value,
    ) -> Result<T> {
        let answer = self
            .call(statement, asked)
            .await?
            .map_err(|_| Error::internal("a look was refused"))?;
        serde_json::from_value(answer).map_err(|error| {
            Error::internal("what the server says of itself cannot be read").with_source(error)
        })
    }
}

/// The tables, and what other roles may do with them.
fn asked_about_others() -> serde_json::Value {
    let mut granted = Vec::new();
    for def in TABLES {
        for role in OTHERS {
            for verb in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
                let may = match role {
                    "anon" => verb == "SELECT" && def.published != Published::Never,
                    _ => match def.access {
                        Access::Write => true,
                        Access::Read => verb == "SELECT",
                        Access::None => false,
                    },
                };
                if may {
                    granted.push(format!("{role} {verb} {}", def.name));
                }
            }
        }
    }
    let tables: Vec<&str> = TABLES.iter().map(|def| def.name).collect();
    json!({ "tables": tables, "granted": granted })
}

fn wrong(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Configuration, message).with_code(code)
}
