//! The rights as the catalogue has them: what no statement of the matrix can tell, since a second
//! layer still refuses.

use litink_core::schema::TABLES;
use sqlx::PgConnection;

use super::{PRIVATE, ROLES, VERBS, granted};

/// What differs from what the schema says, with or without a Storage in the database.
pub(super) async fn differs(connection: &mut PgConnection, storage: bool) -> Vec<String> {
    let found: Vec<String> = sqlx::query_scalar(SNAPSHOT)
        .persistent(false)
        .fetch_all(connection)
        .await
        .unwrap();
    let mut expected = expected();
    if storage {
        expected.extend(expected_of_storage());
    }
    let surplus = found.iter().filter(|line| !expected.contains(line));
    let missing = expected.iter().filter(|line| !found.contains(line));
    surplus
        .map(|line| format!("too much: {line}"))
        .chain(missing.map(|line| format!("missing: {line}")))
        .collect()
}

/// Everything about rights, a line each; the owner's own are left out.
const SNAPSHOT: &str = "
    select format('%s on table %s.%s to %s', lower(a.privilege_type), n.nspname, c.relname,
        coalesce(r.rolname, 'public'))
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    cross join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
    left join pg_roles r on r.oid = a.grantee
    where n.nspname in ('public', 'litink', 'storage') and c.relkind in ('r', 'v', 'm', 'p', 'S')
    and a.grantee <> c.relowner
    union all
    select format('%s on column %s.%s.%s to %s', lower(a.privilege_type), n.nspname, c.relname,
        t.attname, coalesce(r.rolname, 'public'))
    from pg_attribute t join pg_class c on c.oid = t.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    cross join aclexplode(t.attacl) a left join pg_roles r on r.oid = a.grantee
    where n.nspname in ('public', 'litink', 'storage') and a.grantee <> c.relowner
    union all
    select format('execute on function %s.%s to %s', n.nspname, p.proname,
        coalesce(r.rolname, 'public'))
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    left join pg_roles r on r.oid = a.grantee
    where n.nspname in ('public', 'litink', 'storage') and a.grantee <> p.proowner
    union all
    select format('function %s.%s runs as its owner', n.nspname, p.proname)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'litink', 'storage') and p.prosecdef
    union all
    select format('function %s.%s has no search_path', n.nspname, p.proname)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'litink', 'storage')
    and not exists (select from unnest(p.proconfig) c where c like 'search_path=%')
    union all
    select format('%s on schema %s to %s', lower(a.privilege_type), n.nspname,
        coalesce(r.rolname, 'public'))
    from pg_namespace n cross join aclexplode(n.nspacl) a
    left join pg_roles r on r.oid = a.grantee
    where n.nspname in ('litink', 'storage') and a.grantee <> n.nspowner
    union all
    select format('%s.%s has row-level security', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'litink', 'storage') and c.relkind in ('r', 'p') and c.relrowsecurity
    union all
    select format('policy %s.%s %s %s: %s / %s', schemaname, tablename, lower(cmd),
        array_to_string(roles, '+'), coalesce(qual, ''), coalesce(with_check, ''))
    from pg_policies where schemaname in ('public', 'litink', 'storage')";

const OWN: &str = "(owner = ( SELECT auth.uid() AS uid))";
const BY_ROW: &str = "(visibility = 'published'::text)";
const WITH_PARENT: &str = "(EXISTS ( SELECT\n   FROM books\n  WHERE ((books.id = chapters.book_id) AND \
                           (books.visibility = 'published'::text))))";

fn expected() -> Vec<String> {
    use litink_core::schema::{Access, Published};
    let mut lines = vec!["usage on schema litink to service_role".to_owned()];
    for def in TABLES {
        let name = def.name;
        let mut add = |line: String| lines.push(line);
        add(format!("public.{name} has row-level security"));
        for role in ROLES {
            for verb in VERBS.iter().filter(|verb| granted(def, role, verb)) {
                add(format!("{verb} on table public.{name} to {role}"));
            }
        }
        let everybodys = match def.published {
            Published::Never => None,
            Published::ByRow => Some(BY_ROW),
            Published::WithParent => Some(WITH_PARENT),
        };
        let mut policy = |command: &str, role: &str, using: &str, check: &str| {
            add(format!(
                "policy public.{name} {command} {role}: {using} / {check}"
            ));
        };
        if let Some(everybodys) = everybodys {
            policy("select", "anon", everybodys, "");
        }
        match (def.access, everybodys) {
            (Access::None, _) => policy("all", "anon+authenticated", "false", "false"),
            (_, None) => policy("select", "authenticated", OWN, ""),
            (_, Some(too)) => {
                policy("select", "authenticated", &format!("({OWN} OR {too})"), "");
            }
        }
        if def.access == Access::Write {
            policy("insert", "authenticated", "", OWN);
            policy("update", "authenticated", OWN, OWN);
            policy("delete", "authenticated", OWN, "");
        }
    }
    for name in PRIVATE {
        lines.push(format!("litink.{name} has row-level security"));
        lines.push(format!(
            "policy litink.{name} all anon+authenticated: false / false"
        ));
        for verb in VERBS {
            if name != "migrations" || verb == "select" {
                lines.push(format!("{verb} on table litink.{name} to service_role"));
            }
        }
    }
    for part in ["rest", "0", "1", "2"] {
        let name = format!("litink.job_history_{part}");
        lines.push(format!("{name} has row-level security"));
        lines.push(format!(
            "policy {name} all anon+authenticated: false / false"
        ));
    }
    lines.push("function litink.queue_history runs as its owner".into());
    lines.push("select on table litink.events_id_seq to service_role".into());
    lines.push("usage on table litink.jobs_seq_seq to service_role".into());
    for name in [
        "public.litink_schema_version",
        "public.litink_get_v1",
        "public.litink_list_v1",
        "public.litink_tally_v1",
        "public.litink_commit_v1",
        "public.litink_publish_v1",
        "public.litink_events_v1",
        "litink.request",
        "litink.table_of",
        "litink.condition",
        "litink.queue_history_part",
        "litink.queue_history",
        "litink.queue_wake",
        "litink.queue_enqueue",
        "litink.queue_move",
        "litink.queue_take_back",
        "litink.queue_rescue",
        "litink.queue_settle",
        "litink.queue_room",
        "litink.queue_lease",
        "litink.queue_next_event",
        "litink.queue_turn",
        "litink.queue_settled",
        "litink.queue_settle_in",
        "litink.queue_open",
        "litink.queue_beat",
        "litink.queue_close",
        "litink.queue_select",
        "litink.queue_cancel",
        "litink.queue_replay",
        "litink.queue_control",
        "litink.queue_read",
        "litink.queue_stats",
        "litink.cache_call",
        "litink.cache_rate",
    ] {
        lines.push(format!("execute on function {name} to service_role"));
    }
    lines
}

fn expected_of_storage() -> Vec<String> {
    let own = "(bucket_id = 'books'::text) AND starts_with(name, (('users/'::text || \
               (( SELECT auth.uid() AS uid))::text) || '/'::text))";
    let area = "(split_part(name, '/'::text, 3) = ANY (ARRAY['books'::text, 'covers'::text, \
                'audio'::text, 'images'::text, 'videos'::text, 'exports'::text]))";
    let (read, written) = (format!("({own})"), format!("({own} AND {area})"));
    let mut lines: Vec<String> = ["objects", "buckets"]
        .map(|name| format!("storage.{name} has row-level security"))
        .into();
    for (command, using, check) in [
        ("select", &*read, ""),
        ("insert", "", &*written),
        ("update", &*read, &*written),
        ("delete", &*read, ""),
    ] {
        lines.push(format!(
            "policy storage.objects {command} authenticated: {using} / {check}"
        ));
    }
    lines.push("policy storage.buckets select authenticated: (id = 'books'::text) / ".into());
    // Its own, see `storage.sql`.
    lines.push("usage on schema storage to anon".into());
    for role in ["authenticated", "service_role"] {
        lines.push(format!("usage on schema storage to {role}"));
        lines.push(format!("select on table storage.buckets to {role}"));
        for verb in VERBS {
            lines.push(format!("{verb} on table storage.objects to {role}"));
        }
    }
    lines
}
